"""What TensorFlow Addons computed, and the script that recorded it."""
