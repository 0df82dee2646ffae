"""What all learners share: the loop, its state on disk, fine-tuning, and which there are."""
