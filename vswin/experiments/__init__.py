"""Reading tables, protocols and recipes; planning which runs a study has."""
