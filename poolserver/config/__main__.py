"""``python -m poolserver.config`` prints the reference of all settings."""

from poolserver.config import settings_reference

if __name__ == "__main__":
    print(settings_reference())
