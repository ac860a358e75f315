"""The tables of Keras 2 and Keras 3: model.summary(), read."""
