"""Programs beside the package, written as those of its users are."""
