"""Our models on a GPU, in three commands of half an hour: `python -m benchmarks cuda`.

A and B need torch, torchvision, pandas and NumPy, and import nothing that a usual image with a GPU
lacks; C trains, for which all of the package's own requirements must be installed.
"""
