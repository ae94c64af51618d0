"""The scripted model: a stand-in for the model's API that plays a given part, and says that it does."""
