/* daemon/commands.tbl.h - every subcommand: COMMAND(name, function(argc, argv) that answers the
 * exit status, words behind it, what it does). */
COMMAND("serve", daemon_run,
        "[--config FILE] [--data DIR] [--listen HOST:PORT].. [--set KEY=VALUE]..",
        "Runs the daemon in the foreground; SIGTERM stops it, SIGHUP reloads the configuration.")
COMMAND("check", check_run,
        "[--print] CONFIG | [prometheus] FILE.yml.. | alertmanager FILE.. | rules FILE.. [--lint "
        "all|duplicate-rules|none] [--lint-fatal] [--ignore-unknown-fields] [--enable-feature "
        "NAME]..",
        "Says whether a configuration is well-formed (--print shows what is in force with it), a "
        "configuration file of Prometheus or Alertmanager with all that it names, or rule files: all "
        "that is wrong in them with its place, and rules that stand there twice.")
COMMAND("test", test_run,
        "promql FILE.. | rules FILE.. [--run REGEX].. [--diff] [--junit FILE] "
        "[--ignore-unknown-fields] [--enable-feature NAME]..",
        "Runs files of cases: promql ones load series and say what queries must answer, in the "
        "language of Prometheus's promqltest; rules ones are promtool's unit tests of rule files.")
COMMAND("status", status_run, "[--json] [--server http://127.0.0.1:7663]",
        "Shows how the running daemon is: every health check with its reading, and the programs that "
        "sonde-watch keeps running.")
COMMAND("top", top_run, "[--server http://127.0.0.1:7663] [--socket PATH] [--once]",
        "Shows the host, the watched programs, the checks and the firing alerts, each second; q "
        "ends it. Once, where its output is no terminal.")
COMMAND("debug", debug_run,
        "[SOCKET|PID|SERVICE [--json] [COMMAND..]] [--seconds N] [--hz N] [--output "
        "FILE.svg|.pb|.folded] [--timeout SECONDS]",
        "Asks a program that links libsonde by its debug socket: a prompt with completion, lines from "
        "a pipe, or one command; `profile` samples where processor time goes, as a flame graph, for "
        "pprof, or as folded stacks. Without words: the sockets that there are.")
COMMAND("event", event_run,
        "KIND ['TITLE'] [--service S] [--version V] [--environment E] [--status "
        "started|succeeded|failed] [--label NAME=VALUE].. [--text T] [--id-key K] [--url U] "
        "[--time T] [--source S] [--patience 1m] [--server URL]",
        "Tells the daemon that something happened: a deployment, a change of configuration, a note. "
        "Where it does not answer, it is asked again until patience is over.")
COMMAND("checkin", checkin_run_command,
        "NAME [start|success|fail|EXIT_CODE] [--every D] [--cron 'EXPR'] [--zone Z] [--grace D] "
        "[--max-runtime D] [--patience 1m] [--server URL] [-- COMMAND ARG..]",
        "Runs a job and tells the daemon when it starts, how it ended and what it wrote last; or "
        "only tells. The job runs and its exit status counts whether the daemon answers or not.")
COMMAND("query", query_run,
        "'EXPR' [--time T] [--start T|--last D] [--end T] [--step D] [--output "
        "table|json|csv|chart] [--server URL] [--data DIR] [--tenant NAME] [--limit N] [--stats] "
        "[--explain]",
        "Evaluates PromQL at a time or over a range, asking a running daemon or (--data) reading "
        "the data directory of one that does not run; prints a table, JSON, CSV or a chart.")
COMMAND("docs", docs_run, "DIR", "Writes the reference of the configuration as Markdown pages.")
COMMAND("backup", backup_run,
        "DIRECTORY [--full] [--data DIR] [--server URL] [--config FILE] [--key-file FILE] | "
        "--list DIRECTORY | --prune KEEP DIRECTORY",
        "Copies what a directory of backups does not have yet, from a running daemon's snapshot or "
        "from a data directory that no daemon uses; lists backups; removes all but the newest.")
COMMAND("restore", restore_run,
        "DIRECTORY --data DIR [--backup NAME] [--config FILE] [--key-file FILE]",
        "Writes a backup (the newest, or NAME) into a new or empty data directory and verifies it.")
COMMAND("store", store_tool_run,
        "verify | repair | rotate-key | info | delete SELECTOR [--from TIME] [--to TIME] [--tenant "
        "NAME] [--server URL], each [--data DIR] [--config FILE] [--key-file FILE]",
        "Reads all that a store has on disk and tells what is damaged; keeps what can still be "
        "read; wraps everything by the newest key; lists tenants and parts; deletes series.")
COMMAND("rules", rules_tool_run,
        "backfill --start TIME [--end TIME] [--interval DURATION] [--tenant NAME] "
        "[--enable-feature NAME].. FILE.. [--server URL] [--data DIR] [--config FILE] "
        "[--key-file FILE] | backtest FILE..|--expr EXPR [--for DURATION] [--keep-firing-for "
        "DURATION] [--interval DURATION] [--range DURATION|--start TIME] [--end TIME] [--tenant "
        "NAME] [--json] [--server URL]",
        "Evaluates recording rules over the past and writes what they give, into a running "
        "daemon's store or into a data directory that no daemon uses; tells when alerting rules "
        "would have fired over what a running daemon has stored.")
COMMAND("dump", dump_run,
        "['SELECTOR'] [--start TIME] [--end TIME] [--tenant NAME] [--data DIR] [--server URL] "
        "[--config FILE] [--key-file FILE]",
        "Prints all samples of a range (of everything where no selector is named) as OpenMetrics, "
        "of a running daemon or of a data directory that no daemon uses.")
COMMAND("import", import_run,
        "prometheus DIR.. | openmetrics FILE.. | server URL.. [--match '{job=\"x\"}'], each [--start "
        "TIME] [--end TIME] [--tenant NAME] [--data DIR] [--server URL] [--config FILE] [--key-file "
        "FILE]",
        "Takes over the samples of Prometheus's data directories (blocks and log), of text files "
        "and of running servers that answer Prometheus's API, into a data directory that no daemon "
        "uses, or through a running daemon.")
COMMAND("watch", watch_run,
        "[SWITCH].. -- PROGRAM ARGUMENT.. | up [NAME|GROUP].. | ctl start|stop|restart|reload|check|"
        "status|logs|events|signal|plan|upgrade|shutdown [NAME|GROUP|all] | status [NAME] | logs "
        "[NAME] [-f] | events [-f] | plan, each [--config FILE] [--data DIR] [--state DIR] [--socket "
        "PATH] [-v|-vv|-q|--debug] [--json] [--background] [--wait 60s|--no-wait] [--lines N]",
        "Keeps programs running: those of [[watch.program]], or one from the command line, whose "
        "keys are switches (--health URL --restarts 5 --stop-timeout 10s). up starts some of them; "
        "ctl, status, logs and events ask the one that runs. Exit status: 0 well, 1 not reached or "
        "unsettled, 2 not understood, 3 nobody runs there, 4 no such program, 5 critical.")
COMMAND("apps", app_run_apps,
        "[INSTANCE] | ask INSTANCE COMMAND.. [--service NAME], each [--format table|json] [--server "
        "URL]",
        "Lists the applications that are connected to the daemon or were, or puts a question of "
        "libsonde to one of them (help lists those that it knows). Exit status: 1 it refuses, 2 "
        "nobody answers.")
COMMAND("services", app_run_services,
        "[NAME [--slowest N|--errors|--active|--recent|--reset|--prometheus]] [--instance INSTANCE] "
        "[--format table|json] [--server URL]",
        "Shows the services and operations of all connected applications.")
COMMAND("errors", app_run_errors,
        "[--limit N] [--service NAME] [--format table|json] [--server URL]",
        "Lists the newest errors that applications have sent.")
COMMAND("notify", notify_tool_run,
        "test RECEIVER [--config FILE] [--alertmanager FILE] [--resolved] [--message FILE]",
        "Sends a test to a receiver of a configuration (ours, or a file of Alertmanager), from "
        "here and without a daemon, and says for each of its integrations what became of it.")
COMMAND("help", command_help, "[COMMAND | config]",
        "Shows this list, one command, or every key of the configuration.")
