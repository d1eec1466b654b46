"""The printed numbers and claims of the paper, as data with their source."""
