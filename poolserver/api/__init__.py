"""HTTP for operators and for Prometheus.

http, door, connection  the server, its metrics and health; how many may be connected; one of them
catalogue               all endpoints, the one list
endpoint, parameters    how one is declared, and what may come in its query
router, edge            endpoints as routes, and what is alike for all answers
access, tokens          who may ask for what
problem, encoding, page, gate, turns
                        errors, JSON with entity tags, lists in pages; how many at once, in turns
overview, lists, power  what is shown
signals, mappings, reload
                        what is told
audit, audit_log, audit_file
                        who told what
stream, live_page       server-sent events, and the page that reads them
openapi, reference      docs/openapi.json, and the tables of docs/api.md
"""
