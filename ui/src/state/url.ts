// The query string of the page: each part of its state writes its own keys.

const parts: ((query: URLSearchParams) => void)[] = [];

export function onUrl(part: (query: URLSearchParams) => void): void {
  parts.push(part);
}

export function urlText(change: Record<string, string> = {}): string {
  const query = new URLSearchParams();
  for (const part of parts) part(query);
  for (const [name, value] of Object.entries(change)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return text ? `${location.pathname}?${text}` : location.pathname;
}

export function writeUrl(state: object, replace = false): void {
  const url = urlText();
  const old = new URLSearchParams(location.search).toString();
  if (url === (old ? `${location.pathname}?${old}` : location.pathname)) return;
  if (replace) history.replaceState(history.state, "", url);
  else history.pushState(state, "", url);
}
