/* daemon/commands.tbl.h - every subcommand: COMMAND(name, function(argc, argv) that answers the
 * exit status, words behind it, what it does). */
COMMAND("serve", daemon_run,
        "[--config FILE] [--data DIR] [--listen HOST:PORT].. [--set KEY=VALUE]..",
        "Runs the daemon in the foreground; SIGTERM stops it, SIGHUP reloads the configuration.")
COMMAND("check", check_run, "[--print] CONFIG",
        "Says whether a configuration is well-formed; --print shows what is in force with it.")
COMMAND("status", status_run, "[--url http://127.0.0.1:7663]",
        "Shows how the running daemon is: every health check with its reading.")
COMMAND("docs", docs_run, "DIR", "Writes the reference of the configuration as Markdown pages.")
COMMAND("help", command_help, "[COMMAND | config]",
        "Shows this list, one command, or every key of the configuration.")
