"""Speed and quality, printed beside what they are measured against."""
