"""Every kind of receiver, sent to by the real program and asked by servers that check each byte.

`sonde notify test` sends one message through the queue to the integrations of a receiver; the
servers here stand for Slack, PagerDuty, a mail server and the rest, and keep what they were asked.
"""
import email
import email.policy
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from _daemon import SONDE, Daemon, Skip, run, wait

FOLDER = tempfile.mkdtemp(prefix="sonde-notifiers-")


# ---- a message: two firing alerts and one resolved

def alert(instance, resolved=False):
    return {
        "labels": {"alertname": "DiskFull", "device": "/dev/sda1", "instance": instance,
                   "severity": "critical"},
        "annotations": {"summary": "Disk <full> & \"hot\"", "value": "97 %"},
        "starts_ms": 1700000000123, "ends_ms": 1700000600000 if resolved else 0,
        "resolved": resolved, "generator_url": "http://sonde.example/graph?g0.expr=up"}


def message(**changes):
    m = {"id": "m-42", "receiver": "x", "kind": "x", "index": 0,
         "group_key": '{}/{severity="critical"}:{alertname="DiskFull"}',
         "group_labels": {"alertname": "DiskFull"}, "route_labels": {"team": "db"},
         "reason": "first notification", "truncated": 0, "time_ms": 1700000300000,
         "external_url": "http://sonde.example:7663", "context": "",
         "alerts": [alert("db1:9100"), alert("db2:9100"), alert("db3:9100", True)]}
    m.update(changes)
    return m


RESOLVED = {"reason": "all alerts resolved", "alerts": [alert("db1:9100", True)]}
SUBJECT = "[FIRING:2] critical: DiskFull - Disk <full> & \"hot\""
def group_hash():
    import hashlib
    return hashlib.sha256(message()["group_key"].encode()).hexdigest()


GROUP = group_hash()


# ---- a site that remembers

class Asked:
    def __init__(self, handler, body):
        self.method, self.path = handler.command, handler.path
        self.headers = {k.lower(): v for k, v in handler.headers.items()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Site:
    """Answers each request by answers[i] (status, headers, body) or the last of them."""

    def __init__(self, *answers, delay=0):
        self.asked, self.answers, self.delay = [], list(answers) or [(200, {}, b"ok")], delay
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.asked.append(Asked(self, body))
                status, headers, text = site.answers[min(len(site.asked), len(site.answers)) - 1]
                if status is None:  # closed without a word
                    self.close_connection = True
                    return
                time.sleep(site.delay)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                try:
                    self.end_headers()
                    self.wfile.write(text)
                except BrokenPipeError:
                    pass  # it was given up

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def only(self):
        assert len(self.asked) == 1, [(a.method, a.path) for a in self.asked]
        return self.asked[0]


def send(configs, status=0, say="told", globals_="", **changes):
    """Sends a message to the receiver with these configs (YAML below `receivers`)."""
    path = os.path.join(FOLDER, "alertmanager.yml")
    with open(path, "w") as f:
        f.write(f"{globals_}route:\n  receiver: team\nreceivers:\n- name: team\n{configs}")
    told = os.path.join(FOLDER, "message.json")
    with open(told, "w") as f:
        json.dump(message(**changes), f)
    return finish(["--alertmanager", path, "--message", told], status, say)


def send_row(row, status=0, say="told", **changes):
    """The same by a row [[notify]] of sonde.toml."""
    path = os.path.join(FOLDER, "sonde.toml")
    with open(path, "w") as f:
        f.write("[[notify]]\nname = \"team\"\n" + row)
    told = os.path.join(FOLDER, "message.json")
    with open(told, "w") as f:
        json.dump(message(**changes), f)
    return finish(["--config", path, "--message", told], status, say)


def finish(words, status, say):
    done = subprocess.run([SONDE, "notify", "test", "team", *words], capture_output=True, text=True,
                          timeout=90, env={**os.environ, "http_proxy": "", "no_proxy": "*"})
    said = done.stdout + done.stderr
    assert done.returncode == status and say in said, (done.returncode, said)
    return said


def secret_file(text):
    path = os.path.join(FOLDER, "secret")
    with open(path, "w") as f:
        f.write(text + "\n")
    return path


# ---- webhooks

def a_webhook_gets_the_json_of_alertmanager():
    with Site() as site:
        send(f"  webhook_configs:\n  - url: {site.url}/hook?x=1\n")
        a = site.only()
    assert (a.method, a.path) == ("POST", "/hook?x=1")
    assert a.headers["content-type"] == "application/json"
    assert a.headers["user-agent"].startswith("Sonde/")
    first = ('{"receiver":"team","status":"firing","notification_reason":"first notification",'
             '"alerts":[{"status":"firing","labels":{"alertname":"DiskFull","device":"/dev/sda1",'
             '"instance":"db1:9100","severity":"critical"},"annotations":{"summary":'
             '"Disk \\u003cfull\\u003e \\u0026 \\"hot\\"","value":"97 %"},'
             '"startsAt":"2023-11-14T22:13:20.123Z","endsAt":"0001-01-01T00:00:00Z",'
             '"generatorURL":"http://sonde.example/graph?g0.expr=up",'
             '"fingerprint":"')
    assert a.body.decode().startswith(first), a.body
    last = ('"groupLabels":{"alertname":"DiskFull"},"commonLabels":{"alertname":"DiskFull",'
            '"device":"/dev/sda1","severity":"critical"},"commonAnnotations":{"summary":'
            '"Disk \\u003cfull\\u003e \\u0026 \\"hot\\"","value":"97 %"},'
            '"routeLabels":{"team":"db"},"externalURL":"http://sonde.example:7663","version":"4",'
            '"groupKey":"{}/{severity=\\"critical\\"}:{alertname=\\"DiskFull\\"}",'
            '"truncatedAlerts":0}\n')
    assert a.body.decode().endswith(last), a.body
    assert a.json["alerts"][2]["endsAt"] == "2023-11-14T22:23:20Z"


def a_webhook_takes_no_more_alerts_than_it_wants():
    with Site() as site:
        send(f"  webhook_configs:\n  - url: {site.url}/\n    max_alerts: 1\n")
        j = site.only().json
    assert len(j["alerts"]) == 1 and j["truncatedAlerts"] == 2


def a_webhook_has_a_payload_of_its_own():
    with Site() as site:
        send(f"  webhook_configs:\n  - url: {site.url}/\n    payload:\n"
             "      text: 'n={{ len .Alerts }}'\n      list: [1, true, null, 2.5]\n"
             "      deep: {k: '{{ .Status | toUpper }}'}\n")
        assert site.only().json == {"text": "n=3", "list": [1, True, None, 2.5],
                                    "deep": {"k": "FIRING"}}


def a_webhook_by_a_row_has_a_template_for_its_body():
    with Site() as site:
        send_row(f'kind = "webhook"\nurl = "{site.url}/r"\nsecret = "s3cr3t"\n'
                 'template_text = "{{ toJson .GroupLabels }}"\n')
        a = site.only()
    assert a.body == b'{"alertname":"DiskFull"}'
    assert a.headers["authorization"] == "Bearer s3cr3t"


def a_url_is_read_from_its_file_and_credentials_are_sent():
    with Site() as site:
        path = secret_file(site.url + "/from-file")
        send(f"  webhook_configs:\n  - url_file: {path}\n    http_config:\n      basic_auth:\n"
             "        username: joe\n        password: pw\n")
        a = site.only()
    assert a.path == "/from-file" and a.headers["authorization"] == "Basic am9lOnB3"


# ---- what goes wrong

def failures_are_named_and_hold_no_secret():
    for answer, say in (((400, {}, b"no \x01such"), "it answered 400: no"),
                        ((500, {}, b""), "it answered 500"),
                        ((429, {"Retry-After": "7"}, b""), "it answered 429"),
                        ((None, {}, b""), "")):
        with Site(answer) as site:
            said = send(f"  webhook_configs:\n  - url: {site.url}/T0P/SECRET\n", 1, say)
            assert "SECRET" not in said, said


def a_receiver_that_is_slow_is_given_up():
    with Site(delay=3) as site:
        began = time.monotonic()
        said = send(f"  webhook_configs:\n  - url: {site.url}/\n    timeout: 500ms\n", 1, "within")
        assert time.monotonic() - began < 3, said


def a_redirect_to_another_host_carries_no_credentials():
    with Site() as other:
        there = other.url.replace("127.0.0.1", "localhost") + "/there"
        with Site((307, {"Location": there}, b"")) as site:
            send(f"  webhook_configs:\n  - url: {site.url}/\n    http_config:\n"
                 "      authorization:\n        credentials: s3cr3t\n")
            assert site.asked[0].headers["authorization"] == "Bearer s3cr3t"
        assert "authorization" not in other.only().headers
        assert other.asked[0].path == "/there"


# ---- Slack

def slack_gets_an_attachment():
    with Site() as site:
        send(f"  slack_configs:\n  - api_url: {site.url}/services/T/B/X\n    channel: '#ops'\n"
             "    text: hello {{ .Status }}\n    fields:\n    - title: n\n"
             "      value: '{{ len .Alerts }}'\n      short: true\n    actions:\n"
             "    - type: button\n      text: Look\n      url: http://x\n")
        a = site.only()
    link = "http://sonde.example:7663/?view=alerts&receiver=team"
    assert a.path == "/services/T/B/X" and a.json == {
        "channel": "#ops", "username": "Sonde", "attachments": [{
            "title": SUBJECT, "title_link": link, "text": "hello firing",
            "fallback": f"{SUBJECT} | {link}",
            "fields": [{"title": "n", "value": "3", "short": True}],
            "actions": [{"type": "button", "text": "Look", "url": "http://x"}],
            "color": "danger", "mrkdwn_in": ["fallback", "pretext", "text"]}]}, a.body


def slack_is_told_by_its_api_with_a_token():
    with Site((200, {"Content-Type": "application/json"}, b'{"ok":true}')) as site:
        send(f"  slack_configs:\n  - app_token: xoxb-1\n    app_url: {site.url}/api/chat\n"
             "    channel: C1\n")
        a = site.only()
    assert a.headers["authorization"] == "Bearer xoxb-1" and a.path == "/api/chat"
    assert "CRITICAL DiskFull on db1:9100" in a.json["attachments"][0]["text"]


def slack_says_no_with_200():
    answer = (200, {"Content-Type": "application/json"}, b'{"ok":false,"error":"not_in_channel"}')
    with Site(answer) as site:
        send_row(f'kind = "slack"\nurl = "{site.url}/"\nsecret = "xoxb-1"\nto = ["C1"]\n', 1,
                 "not_in_channel")


# ---- pagers

def pagerduty_is_triggered_and_resolved():
    with Site((202, {}, b"{}")) as site:
        config = (f"  pagerduty_configs:\n  - url: {site.url}/v2/enqueue\n    routing_key: k3y\n"
                  "    severity: '{{ .CommonLabels.severity }}'\n    details: {extra: '1'}\n"
                  "    links: [{href: http://x, text: X}]\n")
        send(config)
        send(config, **RESOLVED)
        first, second = site.asked
    j = first.json
    details = j["payload"].pop("custom_details")
    assert j == {"routing_key": "k3y", "dedup_key": GROUP, "event_action": "trigger",
                 "payload": {"summary": SUBJECT, "source": "Sonde", "severity": "critical"},
                 "client": "Sonde",
                 "client_url": "http://sonde.example:7663/?view=alerts&receiver=team",
                 "links": [{"href": "http://x", "text": "X"}]}, j
    assert details["num_firing"] == "2" and details["num_resolved"] == "1"
    assert details["extra"] == "1" and "DiskFull on db1:9100" in details["firing"]
    assert second.json["event_action"] == "resolve" and second.json["dedup_key"] == GROUP


def pagerduty_gets_no_more_than_it_takes():
    with Site((202, {}, b"{}")) as site:
        send(f"  pagerduty_configs:\n  - url: {site.url}/\n    routing_key_file: "
             f"{secret_file('from-file')}\n    description: '{'ä' * 2000}'\n    details:\n"
             f"      big: '{'x' * 600000}'\n")
        j = site.only().json
    assert len(j["payload"]["summary"]) == 1024 and j["routing_key"] == "from-file"
    assert list(j["payload"]["custom_details"]) == ["error"]


def pagerduty_by_its_first_way():
    with Site() as site:
        send(f"  pagerduty_configs:\n  - url: {site.url}/v1\n    service_key: s\n")
        j = site.only().json
    assert (j["service_key"], j["event_type"], j["incident_key"]) == ("s", "trigger", GROUP)


def opsgenie_is_opened_and_closed():
    with Site((202, {}, b"{}")) as site:
        config = (f"  opsgenie_configs:\n  - api_url: {site.url}\n    api_key: k\n"
                  "    tags: 'a, b'\n    priority: P1\n    responders:\n"
                  "    - {name: 'db, web', type: teams}\n")
        send(config)
        send(config, **RESOLVED)
        first, second = site.asked
    assert first.path == "/v2/alerts" and first.headers["authorization"] == "GenieKey k"
    j = first.json
    assert j["alias"] == GROUP and j["message"] == SUBJECT and j["tags"] == ["a", "b"]
    assert j["responders"] == [{"name": "db", "type": "team"}, {"name": "web", "type": "team"}]
    assert j["details"]["device"] == "/dev/sda1" and j["priority"] == "P1"
    assert second.path == f"/v2/alerts/{GROUP}/close?identifierType=alias"
    assert second.method == "POST" and list(second.json) == ["source"]


def opsgenie_changes_what_is_open():
    with Site((202, {}, b"{}")) as site:
        send(f"  opsgenie_configs:\n  - api_url: {site.url}\n    api_key: k\n"
             "    update_alerts: true\n")
        ways = [(a.method, a.path.split("?")[0].rsplit("/", 1)[1]) for a in site.asked]
    assert ways == [("POST", "alerts"), ("PUT", "message"), ("PUT", "description")], ways


# ---- chats

def telegram_gets_html_or_plain_text():
    with Site((200, {}, b'{"ok":true}')) as site:
        base = f"  telegram_configs:\n  - api_url: {site.url}\n    bot_token: 1:SECRET\n"
        send(base + "    chat_id: -100\n    message_thread_id: 7\n")
        send(base + "    chat_id: -100\n    message: '<b>{{ .Status }}</b>" + "ü" * 5000 + "'\n")
        first, second = site.asked
    j = first.json
    assert first.path == "/bot1:SECRET/sendMessage" and j["chat_id"] == -100
    assert j["parse_mode"] == "HTML" and j["message_thread_id"] == 7
    assert "Disk &lt;full&gt; &amp; &#34;hot&#34;" in j["text"]
    cut = second.json
    assert "parse_mode" not in cut and len(cut["text"]) == 4096
    assert cut["text"].startswith("firingüü") and cut["text"].endswith("…")


def telegram_is_told_plainly_where_its_markup_is_wrong():
    bad = (400, {}, b'{"ok":false,"description":"Bad Request: can\'t parse entities"}')
    with Site(bad, (200, {}, b'{"ok":true}')) as site:
        send(f"  telegram_configs:\n  - api_url: {site.url}\n    bot_token: t\n    chat_id: 1\n"
             "    message: '<b>x</b> &lt;'\n")
        assert [a.json["text"] for a in site.asked] == ["<b>x</b> &lt;", "x <"]
    with Site((401, {}, b"wrong token 1:SECRET")) as site:
        said = send(f"  telegram_configs:\n  - api_url: {site.url}\n    bot_token: 1:SECRET\n"
                    "    chat_id: 1\n", 1, "401")
        assert "SECRET" not in said


def discord_gets_an_embed():
    with Site((204, {}, b"")) as site:
        send(f"  discord_configs:\n  - webhook_url: {site.url}/w\n    message: '{'m' * 5000}'\n")
        j = site.only().json
    assert j["content"] == "" and len(j["embeds"]) == 1
    assert j["embeds"][0]["title"] == SUBJECT and j["embeds"][0]["color"] == 0x992d22
    assert len(j["embeds"][0]["description"]) == 4096


def teams_gets_its_cards():
    with Site() as site:
        send(f"  msteams_configs:\n  - webhook_url: {site.url}/old\n    text: t\n"
             f"  msteamsv2_configs:\n  - webhook_url: {site.url}/new\n    text: t\n")
        old, new = site.asked
    assert old.json == {"@context": "http://schema.org/extensions", "@type": "MessageCard",
                        "title": SUBJECT, "summary": SUBJECT, "text": "t", "themeColor": "8C1A1A"}
    assert new.json == {"type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard", "version": "1.2", "body": [
                {"type": "TextBlock", "text": SUBJECT, "weight": "Bolder", "size": "Medium",
                 "wrap": True, "style": "heading", "color": "Attention"},
                {"type": "TextBlock", "text": "t", "wrap": True}],
            "msteams": {"width": "full"}}}]}
    busy = (200, {}, b"Webhook message delivery failed with error: Microsoft Teams endpoint "
                     b"returned HTTP error 429 with ContextId x")
    with Site(busy) as site:
        send(f"  msteams_configs:\n  - webhook_url: {site.url}/\n", 1, "429")


def ntfy_gets_a_title_and_a_priority():
    with Site() as site:
        send_row(f'kind = "ntfy"\nurl = "{site.url}/"\nto = ["my-topic"]\nsecret = "tk_1"\n')
        a = site.only()
    j = a.json
    assert (j["topic"], j["title"], j["priority"]) == ("my-topic", SUBJECT, 5)
    assert j["tags"] == ["rotating_light"] and "DiskFull on db1:9100" in j["message"]
    assert a.headers["authorization"] == "Bearer tk_1"


# ---- the others of Alertmanager's list

def victorops_is_told_of_the_end_as_recovery():
    with Site() as site:
        config = (f"  victorops_configs:\n  - api_url: {site.url}/alert\n    api_key: k3y\n"
                  "    routing_key: db\n    custom_fields: {place: '{{ .Status }}'}\n")
        send(config)
        send(config, **RESOLVED)
        first, second = site.asked
    j = first.json
    assert first.path == "/alert/k3y/db" and j["message_type"] == "CRITICAL"
    assert j["entity_id"] == GROUP and j["entity_display_name"] == SUBJECT
    assert j["monitoring_tool"] == "Sonde" and j["place"] == "firing"
    assert second.json["message_type"] == "RECOVERY"


def pushover_gets_a_form():
    import urllib.parse
    with Site() as site:
        send_row(f'kind = "pushover"\nurl = "{site.url}/1/messages.json"\nsecret = "tok"\n'
                 'to = ["us3r"]\n')
        a = site.only()
    form = dict(urllib.parse.parse_qsl(a.body.decode(), strict_parsing=True))
    assert a.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form["token"] == "tok" and form["user"] == "us3r" and form["title"] == SUBJECT
    assert (form["priority"], form["retry"], form["expire"]) == ("2", "60", "3600")
    assert len(form["message"]) <= 1024


def webex_rocketchat_and_mattermost_get_their_words():
    with Site((200, {}, b'{"success":true}')) as site:
        send(f"  webex_configs:\n  - api_url: {site.url}/messages\n    room_id: r1\n"
             "    message: w {{ .Status }}\n    http_config: {authorization: {credentials: b}}\n"
             f"  rocketchat_configs:\n  - api_url: {site.url}\n    channel: '#a'\n"
             "    token_id: id\n    token: tok\n    text: t\n"
             f"  mattermost_configs:\n  - webhook_url: {site.url}/hooks/x\n    text: m\n"
             "    channel: town\n")
        asked = {a.path: a for a in site.asked}
    webex = asked["/messages"]
    assert webex.json == {"markdown": "w firing", "roomId": "r1"}
    assert webex.headers["authorization"] == "Bearer b"
    rocket = asked["/api/v1/chat.postMessage"]
    assert rocket.headers["x-user-id"] == "id" and rocket.headers["x-auth-token"] == "tok"
    assert rocket.json["channel"] == "#a" and rocket.json["attachments"] == [{
        "title": SUBJECT, "text": "t", "color": "red",
        "title_link": "http://sonde.example:7663/?view=alerts&receiver=team"}], rocket.json
    assert asked["/hooks/x"].json == {"channel": "town", "username": "Sonde", "text": "m"}


def wechat_is_asked_for_a_token_first():
    with Site((200, {}, b'{"errcode":0,"access_token":"T0K"}'),
              (200, {}, b'{"errcode":0,"errmsg":"ok"}')) as site:
        send(f"  wechat_configs:\n  - api_url: {site.url}/cgi-bin/\n    api_secret: s3cr3t\n"
             "    corp_id: corp\n    agent_id: '7'\n    to_user: '@all'\n    message: hi\n")
        first, second = site.asked
    assert first.method == "GET"
    assert first.path == "/cgi-bin/gettoken?corpid=corp&corpsecret=s3cr3t"
    assert second.path == "/cgi-bin/message/send?access_token=T0K"
    assert second.json == {"text": {"content": "hi"}, "touser": "@all", "agentid": "7",
                           "safe": "0", "msgtype": "text"}
    with Site((200, {}, b'{"errcode":40001,"errmsg":"bad s3cr3t"}')) as site:
        said = send(f"  wechat_configs:\n  - api_url: {site.url}/\n    api_secret: s3cr3t\n"
                    "    corp_id: c\n", 1, "40001")
        assert "s3cr3t" not in said


def incident_io_gets_the_json_with_a_token():
    with Site((202, {}, b"")) as site:
        send(f"  incidentio_configs:\n  - url: {site.url}/v2/x\n    alert_source_token: tok\n")
        a = site.only()
    assert a.headers["authorization"] == "Bearer tok"
    assert a.json["groupKey"] == message()["group_key"]


def matrix_gets_an_event_that_is_the_same_when_it_is_sent_twice():
    with Site((200, {}, b'{"event_id":"$1"}')) as site:
        row = (f'kind = "matrix"\nurl = "{site.url}"\nto = ["!room:example.org"]\nsecret = "tok"\n'
               'template_text = "hi"\n')
        send_row(row)
        send_row(row)
        first, second = site.asked
    assert first.method == "PUT" and first.path == second.path == (
        "/_matrix/client/v3/rooms/%21room%3Aexample.org/send/m.room.message/m-42")
    assert first.headers["authorization"] == "Bearer tok"
    assert first.json == {"msgtype": "m.text", "body": "hi"}


# ---- programs

def a_program_gets_the_message_on_its_standard_input():
    script, out = os.path.join(FOLDER, "tell"), os.path.join(FOLDER, "told.json")
    with open(script, "w") as f:
        f.write(f'#!/bin/sh\ncat > "{out}"\n[ "$1" = well ] || {{ echo sad >&2; exit 3; }}\n')
    os.chmod(script, 0o755)
    send_row(f'kind = "command"\nto = ["{script}", "well"]\n')
    with open(out) as f:
        assert json.load(f)["groupLabels"] == {"alertname": "DiskFull"}
    send_row(f'kind = "command"\nto = ["{script}", "ill"]\n', 1, "ended with 3: sad")

# ---- pictures

def the_chart_helper_draws_a_png():
    program = os.path.join(os.path.dirname(SONDE), "sonde-helper-chart")
    if not os.path.exists(program):
        raise Skip("sonde-helper-chart was not built: libcairo2-dev is missing")
    points = [[1700000000000 + i * 30000, None if 40 < i < 50 else i % 17] for i in range(120)]
    chart = {"title": "t", "unit": "%", "threshold": 9, "series": [{"name": "a", "points": points}],
             "marks": [[1700000600000, 1700000900000]]}
    done = subprocess.run([program], input=json.dumps(chart).encode(), capture_output=True,
                          timeout=30)
    assert done.returncode == 0 and done.stdout[:8] == b"\x89PNG\r\n\x1a\n", done.stderr
    assert done.stdout[16:24] == (1280).to_bytes(4, "big") + (440).to_bytes(4, "big")
    for bad in (b"", b"{}", b'{"series":[]}', b"\xff" * 100):
        done = subprocess.run([program], input=bad, capture_output=True, timeout=30)
        assert done.returncode == 1 and done.stderr, bad


# ---- mail

def certificates():
    """A certificate of a test authority for 127.0.0.1 and localhost."""
    ca, key = os.path.join(FOLDER, "ca.pem"), os.path.join(FOLDER, "ca.key")
    if not os.path.exists(ca):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                        "-out", ca, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True,
                       capture_output=True)
    return ca, key


class Mailbox:
    """A mail server that remembers; login: the user and password that it takes."""

    def __init__(self, tls=None, require=False, login=None, refuse=None, implicit=False):
        sys.path.append("/usr/lib/python3/dist-packages")  # whichever Python this is
        try:
            from aiosmtpd.controller import Controller
            from aiosmtpd.smtp import AuthResult
        except ImportError:
            raise Skip("python3-aiosmtpd is not installed")
        self.mails, box = [], self
        self.logins = []

        class Handler:
            async def handle_RCPT(self, server, session, envelope, address, options):
                if refuse:
                    return refuse
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server, session, envelope):
                box.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content,
                                  session.host_name, session.ssl is not None))
                return "250 taken"

        def authenticate(server, session, envelope, mechanism, data):
            box.logins.append((mechanism, data.login, data.password))
            return AuthResult(success=(data.login, data.password) == login, handled=False)

        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
        options = {"require_starttls": require}
        if login:
            options.update(authenticator=authenticate, auth_required=True,
                           auth_require_tls=bool(tls))
        if implicit:
            options = {"ssl_context": context}
        else:
            options["tls_context"] = context
        from _port import free_port
        self.port = free_port()
        self.controller = Controller(Handler(), hostname="127.0.0.1", port=self.port, **options)
        self.controller.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.controller.stop()

    def only(self):
        assert len(self.mails) == 1, self.mails
        return self.mails[0]


def mail_config(box, more="", to="ops@example.org"):
    return (f"  email_configs:\n  - to: '{to}'\n    from: 'Sonde <sonde@example.com>'\n"
            f"    smarthost: 127.0.0.1:{box.port}\n    hello: me.example\n{more}")


def read_mail(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def a_mail_has_text_and_html_and_a_thread():
    with Mailbox() as box:
        send(mail_config(box, "    require_tls: false\n    send_resolved: true\n",
                         "ops@example.org, Jo <jo@example.org>"))
        send(mail_config(box, "    require_tls: false\n"), **{**RESOLVED, "id": "m-43"})
        first, second = box.mails
    sender, to, content, hello, tls = first
    assert (sender, to, hello, tls) == (
        "sonde@example.com", ["ops@example.org", "jo@example.org"], "me.example", False)
    m = read_mail(content)
    assert m["Subject"] == SUBJECT and m["From"] == "Sonde <sonde@example.com>"
    assert m["To"] == "ops@example.org, Jo <jo@example.org>"
    assert m["Message-Id"] == "<m-42@example.com>" and m["MIME-Version"] == "1.0"
    assert m["Date"] == "Tue, 14 Nov 2023 22:18:20 +0000"
    assert m["Auto-Submitted"] == "auto-generated"
    assert m["References"] == m["In-Reply-To"] == f"<group-{GROUP[:16]}@example.com>"
    assert read_mail(second[2])["References"] == m["References"]
    assert read_mail(second[2])["Message-Id"] == "<m-43@example.com>"
    assert m.get_content_type() == "multipart/alternative"
    text, html = m.iter_parts()
    for part in (text, html):
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert text.get_content_type() == "text/plain" and html.get_content_type() == "text/html"
    assert "CRITICAL DiskFull on db1:9100" in text.get_content()
    assert "Disk &lt;full&gt; &amp; &#34;hot&#34;" in html.get_content()
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert max(len(line) for line in content.split(b"\r\n\r\n", 1)[1].split(b"\r\n")) <= 76


def no_label_adds_a_header_or_a_receiver():
    with Mailbox() as box:
        bad = alert("db1\r\nBcc: evil@example.org\r\n\r\nhello")
        send(mail_config(box, "    require_tls: false\n    headers:\n"
                              "      Subject: 'ä {{ (index .Alerts 0).Labels.instance }}'\n"),
             alerts=[bad])
        _, to, content, _, _ = box.only()
    m = read_mail(content)
    assert to == ["ops@example.org"] and m["Bcc"] is None
    assert m["Subject"] == "ä db1  Bcc: evil@example.org    hello", m["Subject"]
    with Mailbox() as box:
        send(mail_config(box, "    require_tls: false\n", "x@y>\r\nRCPT TO:<evil@example.org"), 1,
             "is no address")
        assert box.mails == []


def tls_is_required_unless_it_is_said_otherwise():
    with Mailbox() as box:
        send(mail_config(box), 1, "STARTTLS")
        assert box.mails == []


def mail_goes_by_starttls_with_a_login():
    ca, key = certificates()
    tls = f"    tls_config: {{ca_file: {ca}}}\n"
    with Mailbox(tls=(ca, key), require=True, login=(b"joe", b"pa ss")) as box:
        send(mail_config(box, tls + "    auth_username: joe\n    auth_password: pa ss\n"))
        assert box.only()[4] and box.logins[0][1:] == (b"joe", b"pa ss")
        send(mail_config(box, tls + "    auth_username: joe\n    auth_password_file: "
                         f"{secret_file('pa ss')}\n"))
        assert len(box.mails) == 2
        said = send(mail_config(box, tls + "    auth_username: joe\n    auth_password: WR0NG\n"), 1,
                    "login")
        assert "WR0NG" not in said
        send(mail_config(box), 1, "no mail server")  # an authority that nobody trusts
        assert len(box.mails) == 2


def mail_goes_by_tls_from_the_first_byte():
    ca, key = certificates()
    with Mailbox(tls=(ca, key), implicit=True) as box:
        send(mail_config(box, f"    tls_config: {{ca_file: {ca}}}\n"
                              "    force_implicit_tls: true\n"))
        assert box.only()[0] == "sonde@example.com"


def a_mail_that_is_refused_is_not_tried_again_and_one_put_off_is():
    for answer, say in (("550 no such user", "refused it: 550 no such user"),
                        ("451 later", "put it off: 451 later")):
        with Mailbox(refuse=answer) as box:
            send(mail_config(box, "    require_tls: false\n"), 1, say)


def a_row_sends_mail_with_a_text_of_its_own():
    with Mailbox() as box:
        send_row(f'kind = "email"\nurl = "smtp://127.0.0.1:{box.port}"\nfrom = "a@example.com"\n'
                 'to = ["b@example.org", "c@example.org"]\ntemplate_text = "x={{ .Status }} ü."\n')
        _, to, content, _, _ = box.only()
    m = read_mail(content)
    assert to == ["b@example.org", "c@example.org"]
    parts = list(m.iter_parts())
    assert len(parts) == 1 and parts[0].get_content().strip() == "x=firing ü."


# ---- the daemon itself

def the_confined_daemon_tells_them_all():
    import urllib.request
    script, out = os.path.join(FOLDER, "hear"), os.path.join(FOLDER, "heard.json")
    with open(script, "w") as f:
        f.write(f'#!/bin/sh\ncat > "{out}.new" && mv "{out}.new" "{out}"\n')
    os.chmod(script, 0o755)
    ca, key = certificates()
    path = os.path.join(FOLDER, "routes.yml")
    with Site() as site, Mailbox(tls=(ca, key), require=True, login=(b"joe", b"pw")) as box:
        with open(path, "w") as f:
            f.write("route: {receiver: team, group_wait: 1s, routes: [{receiver: program, "
                    "continue: true}, {receiver: team}]}\nreceivers:\n- name: team\n"
                    f"  webhook_configs:\n  - url_file: {secret_file(site.url + '/hook')}\n"
                    + mail_config(box, f"    tls_config: {{ca_file: {ca}}}\n"
                                       "    auth_username: joe\n    auth_password: pw\n")
                    + "- name: other\n")
        config = (f'[alert]\nconfig_file = "{path}"\n\n[[notify]]\nname = "program"\n'
                  f'kind = "command"\nto = ["{script}"]\n')
        with Daemon(config) as d:
            d.start()
            alerts = [{"labels": {"alertname": "Real", "instance": "db1", "severity": "critical"},
                       "annotations": {"summary": "it is real"},
                       "generatorURL": "http://x/graph?g0.expr=vector%2890%29+%3E+80&g0.tab=1"}]
            request = urllib.request.Request(d.url + "/api/v2/alerts", json.dumps(alerts).encode(),
                                             {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=10).close()
            wait("the webhook", lambda: site.asked)
            wait("the mail", lambda: box.mails)
            wait("the program", lambda: os.path.exists(out))
            metrics = urllib.request.urlopen(d.url + "/metrics", timeout=10).read().decode()
    assert site.asked[0].path == "/hook"
    assert site.asked[0].json["commonLabels"]["alertname"] == "Real"
    mail = read_mail(box.mails[0][2])
    assert "it is real" in mail["Subject"]
    if os.path.exists(os.path.join(os.path.dirname(SONDE), "sonde-helper-chart")):
        pictures = [p for p in mail.walk() if p.get_content_type() == "image/png"]
        assert pictures and pictures[0].get_content()[:4] == b"\x89PNG"
        assert pictures[0]["Content-ID"] == "<chart@sonde>"
        html = [p for p in mail.walk() if p.get_content_type() == "text/html"][0].get_content()
        assert "cid:chart@sonde" in html
    with open(out) as f:
        assert json.load(f)["receiver"] == "program"
    for integration in ("webhook", "email", "command"):
        assert f'sonde_notifications_total{{integration="{integration}",receiver=' in metrics


run(globals())
