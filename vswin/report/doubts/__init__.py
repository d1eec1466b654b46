"""Printed cells that there is evidence against, for claims, tables and the audit."""
