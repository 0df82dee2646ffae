"""Neural networks as graphs of operators: traced or read from files; placed on devices and on chiplets."""
