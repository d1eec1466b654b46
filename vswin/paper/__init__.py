"""The printed numbers and claims of the papers, as data with their source."""
