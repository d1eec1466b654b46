"""The Video Swin Transformer (section 3)."""
