"""What problems on operator graphs share."""
