"""The pool as a program: processes, event loop, journal, disk, interfaces."""

from scripts.dashboards.model import Dashboard, Row
from scripts.dashboards.panels import BAD, GOOD, WATCH, Query, Steps, graph, stat, timeline
from scripts.dashboards.words import INSTANCE, NONE_IS_GOOD, YES_IS_GOOD, of, quantiles, rate

_HOST = 'job="poolserver",instance=~"$instance"'
# Of what is free: an alert tells of a twentieth.
_FREE: Steps = ((None, BAD), (0.05, WATCH), (0.2, GOOD))

_WELL = Row(
    "Is all well?",
    (
        stat(
            "Worker processes",
            f"min({of('worker_up')}) or min({of('worker_processes')} > bool 0)",
            "Whether all of them take rigs and speak to the coordinator.",
            steps=YES_IS_GOOD,
            texts={"0": "not all", "1": "all up"},
            width=4,
        ),
        stat(
            "Journal",
            f"max({of('journal_failed')})",
            "Whether shares can be written down.",
            steps=NONE_IS_GOOD,
            texts={"0": "written", "1": "failed"},
            width=4,
        ),
        stat(
            "Books behind the journal",
            f"max({of('journal_lag_seconds')})",
            "How old the oldest share is that the books do not have yet.",
            unit="s",
            steps=((None, GOOD), (60, WATCH), (300, BAD)),
            width=4,
        ),
        stat(
            "Disk free",
            f"min({of('disk_free_bytes')} / {of('disk_size_bytes')})",
            "Of the disk that data_dir is on.",
            unit="percentunit",
            steps=_FREE,
            width=4,
        ),
        stat(
            "Loop lag, 99%",
            'max(process:poolserver_event_loop_lag_seconds:p99_10m{instance=~"$instance"})',
            "What one wake-up in a hundred is later than, over ten minutes.",
            unit="s",
            steps=((None, GOOD), (0.1, WATCH), (0.25, BAD)),
            width=4,
        ),
        stat(
            "Runs since",
            f"max(time() - process_start_time_seconds{{{_HOST}}})",
            "The last start, upgrade or reload.",
            unit="s",
            width=4,
        ),
    ),
)

_PROCESSES = Row(
    "Processes",
    (
        graph(
            "Processor",
            "Of one core, by process.",
            Query(f"rate(process_cpu_seconds_total{{{_HOST}}}[$__rate_interval])", "{{process}}"),
            unit="percentunit",
        ),
        graph(
            "Memory",
            "Resident.",
            Query(f"process_resident_memory_bytes{{{_HOST}}}", "{{process}}"),
            unit="bytes",
        ),
        graph(
            "Open files",
            "Connections are files too; the limit is LimitNOFILE of the service.",
            Query(f"process_open_fds{{{_HOST}}}", "{{process}} open"),
            Query(f"process_max_fds{{{_HOST}}}", "{{process}} limit"),
            unit="none",
        ),
        timeline(
            "Worker processes",
            "While each takes rigs and speaks to the coordinator.",
            Query(of("worker_up"), "{{process}}"),
            steps=YES_IS_GOOD,
            texts={"0": "down", "1": "up"},
            height=8,
        ),
        graph(
            "Event loop",
            "How late wake-ups are: answers and new work wait as long.",
            *quantiles("event_loop_lag_seconds", "process"),
            unit="s",
        ),
        graph(
            "Garbage collector",
            "Part of the time in which all stands still for it.",
            Query(f"sum by (process) ({rate('gc_pause_seconds_sum')})", "{{process}}"),
            unit="percentunit",
        ),
    ),
)

_BOOKS = Row(
    "Journal, books, disk",
    (
        graph(
            "Syncing the journal",
            "How long the disk takes to have what was written.",
            *quantiles("journal_sync_seconds"),
            unit="s",
        ),
        graph(
            "Records in memory",
            "Held there until the disk has them.",
            Query(f"sum({of('journal_held_records')})", "records"),
            unit="none",
        ),
        graph(
            "Disk",
            "Free now, and as a straight line has it in four days.",
            Query(of("disk_free_bytes"), "free"),
            Query(
                'instance:poolserver_disk_free_bytes:in4d{instance=~"$instance"}', "in four days"
            ),
            unit="bytes",
        ),
        graph(
            "Since books were closed",
            "Signed days of the ledger, and intervals of energy.",
            Query(f"time() - {of('ledger_signed_day_timestamp_seconds')}", "signed day"),
            Query(f"time() - {of('energy_closed_timestamp_seconds')}", "energy interval"),
            unit="s",
        ),
    ),
)

_INTERFACES = Row(
    "Interfaces",
    (
        graph(
            "MQTT",
            "Messages a second, by what they were about and what became of them.",
            Query(
                f"sum by (about, outcome) ({rate('mqtt_messages_total')})", "{{about}}: {{outcome}}"
            ),
            unit="suffix: /s",
        ),
        graph(
            "Readings of meters",
            "A second, by what was thought of each.",
            Query(
                f"sum by (meter, quality) ({rate('power_readings_total')})",
                "{{meter}}: {{quality}}",
            ),
            unit="suffix: /s",
        ),
        graph(
            "Reloads",
            "In the hour before each moment, by outcome.",
            Query(f"sum by (outcome) (increase({of('reloads_total')}[1h]))", "{{outcome}}"),
            unit="none",
        ),
        graph(
            "Scrapes",
            "How long Prometheus waits for /metrics.",
            Query(f"scrape_duration_seconds{{{_HOST}}}", "{{instance}}"),
            unit="s",
        ),
    ),
)

PROCESS = Dashboard(
    "process",
    "process",
    "The pool as a program: processes, event loop, journal, disk, interfaces.",
    (INSTANCE,),
    (_WELL, _PROCESSES, _BOOKS, _INTERFACES),
)
