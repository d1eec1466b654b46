"""How a model is trained and tested (section 4.1)."""
