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
NOTIFIER(matrix)
NOTIFIER(mattermost)
NOTIFIER(rocketchat)
NOTIFIER(victorops)
NOTIFIER(pushover)
NOTIFIER(webex)
NOTIFIER(wechat)
NOTIFIER(incidentio)
NOTIFIER(command)
