"""The parts of a training: loss, schedules, checkpoints, averages."""
