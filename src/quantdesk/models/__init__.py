"""Models: hyperparameters that learn a forecaster from a dataset, one file each."""
