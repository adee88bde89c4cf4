"""What bench/streaming.py is made of: a broker with traffic in it, other systems, and workers as processes."""
