// Live updates. The server sends HTML fragments; each top-level element replaces, by morphing, the element with its id.
// A <template data-into="list-id"> holds the newest rows of that list: those on the page are updated, the others put at its head.
// Why not htmx's own SSE extension: it gives up when the first connection fails, and does not notice one that fell silent.

const url = document.body.dataset.live;
const indicator = document.getElementById("live-state");
const silenceMilliseconds = 2.5 * 15_000; // the server speaks at least every 15 s, see live.py
const words = { connecting: "Connecting", live: "Live", paused: "Paused", lost: "Connection lost, trying again" };

let source = null;
let heardAt = 0;
let failures = 0;
let retry = null;

function say(state) {
  if (!indicator || indicator.dataset.state === state) return;
  indicator.dataset.state = state;
  indicator.querySelector(".f-live-word").textContent = words[state];
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

function connect() {
  close();
  if (failures === 0) say("connecting");
  heardAt = Date.now();
  source = new EventSource(url);
  source.addEventListener("fragments", (event) => heard(() => apply(event.data)));
  source.addEventListener("beat", () => heard(() => {}));
  source.onerror = lost;
}

function heard(then) {
  heardAt = Date.now();
  failures = 0;
  say("live");
  then();
}

function lost() {
  close();
  failures += 1;
  say("lost");
  const longest = Math.min(30_000, 1000 * 2 ** Math.min(failures, 5));
  retry = setTimeout(connect, longest * (0.5 + Math.random() / 2)); // spread, so that all readers do not return at once
}

function apply(html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  for (const element of [...parsed.content.children]) {
    if (element.matches("template[data-into]")) prepend(element);
    else replace(element);
  }
}

function replace(element) {
  const current = document.getElementById(element.id);
  if (!current) return; // the reader has closed that part of the page
  htmx.swap({ text: element.outerHTML, target: current, sourceElement: current, swap: "outerMorph" });
}

// The live tail: rows arrive at the head, unless paused or already there; then they wait and are counted.
const waiting = new Map();

function prepend(template) {
  const list = document.getElementById(template.dataset.into);
  if (!list) return;
  const fresh = [];
  for (const row of [...template.content.children]) {
    if (document.getElementById(row.id)) replace(row);
    else fresh.push(row);
  }
  const tail = document.querySelector(`[data-tail="${CSS.escape(list.id)}"]`);
  const held = waiting.get(list.id) ?? [];
  const unseen = fresh.filter((row) => !held.some((other) => other.id === row.id));
  if (tail?.dataset.paused !== undefined) {
    waiting.set(list.id, [...unseen, ...held]);
    offer(tail, unseen.length + held.length);
  } else insert(list, unseen);
}

function insert(list, rows) {
  for (const row of rows) row.dataset.fresh = "";
  list.prepend(...rows);
  const keep = Number(list.dataset.keep ?? 200);
  while (list.children.length > keep) list.lastElementChild.remove();
}

function offer(tail, count) {
  const button = tail.querySelector("[data-tail-show]");
  button.hidden = count === 0;
  button.textContent = `Show ${count.toLocaleString("en")} new`;
}

document.addEventListener("click", (event) => {
  const tail = event.target.closest("[data-tail]");
  if (!tail) return;
  const pause = event.target.closest("[data-tail-pause]");
  if (pause) {
    const paused = tail.toggleAttribute("data-paused");
    pause.setAttribute("aria-pressed", String(paused));
  }
  if (event.target.closest("[data-tail-show]") || (pause && tail.dataset.paused === undefined)) {
    insert(document.getElementById(tail.dataset.tail), waiting.get(tail.dataset.tail) ?? []);
    waiting.delete(tail.dataset.tail);
    offer(tail, 0);
  }
});

if (url) {
  connect();
  setInterval(() => {
    if (source && Date.now() - heardAt > silenceMilliseconds) lost();
  }, 5000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      say("paused");
    } else connect();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
}
