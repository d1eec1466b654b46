"""What a trained model is used for beyond tests: other programs, features, looking inside."""
