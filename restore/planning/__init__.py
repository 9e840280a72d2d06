"""What a restore would do, as a value: nothing is written to find it out."""
