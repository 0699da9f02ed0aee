"""What is measured of a trained model, and how it is written down."""
