"""What models cost, under named counting rules."""
