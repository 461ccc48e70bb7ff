"""What remains of a run for a person to read: learning curves (`curves.py`) and the model card (`card.py`)."""
