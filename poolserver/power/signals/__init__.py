"""Meters and words of others, as they come in: Modbus/TCP and MQTT.

words, topics      what a message says and what it is about (pure)
modbus, mqtt       the connections; they need the extra ``poolserver[power]``
"""
