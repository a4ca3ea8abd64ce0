/* notify/notifiers.tbl.h - every kind of receiver: its file exports `NAME_notifier`.
 *
 * Flow:    a row here -> notifier.c, the manual
 */
NOTIFIER(email)
NOTIFIER(webhook)
NOTIFIER(slack)
NOTIFIER(pagerduty)
NOTIFIER(opsgenie)
NOTIFIER(telegram)
NOTIFIER(discord)
NOTIFIER(msteams)
NOTIFIER(msteamsv2)
NOTIFIER(ntfy)
NOTIFIER(command)
