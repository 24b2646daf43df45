// Keeps "3 min ago" true while the page stands open, by the server's clock rather than this machine's.

const skew = Date.parse(document.documentElement.dataset.now) - Date.now();
const steps = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [2592000, 86400, "d"]];

export function ago(milliseconds) {
  const distance = Math.abs(milliseconds) / 1000;
  if (distance < 1) return "just now";
  for (const [limit, size, unit] of steps) {
    if (distance >= limit) continue;
    const text = `${Math.floor(distance / size)} ${unit}`;
    return milliseconds > 0 ? `${text} ago` : `in ${text}`;
  }
  return null; // older than that, the date the server wrote stays right
}

function refresh() {
  if (document.hidden) return;
  const now = Date.now() + skew;
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const text = ago(now - Date.parse(element.dateTime));
    if (text !== null && text !== element.textContent) element.textContent = text;
  }
}

setInterval(refresh, 1000);
document.addEventListener("visibilitychange", refresh);
