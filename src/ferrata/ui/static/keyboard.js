// `/` search, `j` `k` rows, enter opens (the focused row is a link), `?` help, `g` and a letter goes to a page.

let going = 0;

function isTyping(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function moveRow(step) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.checkVisibility());
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next].focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

const acts = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => document.getElementById("keyboard-help")?.showModal(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  g: () => { going = Date.now(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && event.target.matches("[data-search]")) event.target.blur();
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const destination = Date.now() - going < 1500 && document.querySelector(`[data-goto="${CSS.escape(event.key)}"]`);
  going = 0;
  if (destination) {
    event.preventDefault();
    destination.click();
  } else if (Object.hasOwn(acts, event.key)) {
    event.preventDefault();
    acts[event.key]();
  }
});
