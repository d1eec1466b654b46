"""Costs of other works' models, which libraries on PyPI build; the extra `peers` has them."""
