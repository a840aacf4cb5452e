"""``python -m poolserver.config`` prints the reference of all settings; with ``--schema`` the
JSON Schema of a configuration."""

import sys

from poolserver.config import config_schema, settings_reference

if __name__ == "__main__":
    print(config_schema() if "--schema" in sys.argv[1:] else settings_reference())
