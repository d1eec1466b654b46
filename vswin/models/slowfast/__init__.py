"""SlowFast networks, the convolutional models of the MViT appendix (Table A.8)."""
