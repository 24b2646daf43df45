// The connect wizard: tells while one types whether a key can be one, and narrows a list of choices by a search.

const PREFIX = "pk_";

function sayKey(field) {
  const place = document.getElementById(field.dataset.keyCheck);
  const text = field.value.trim();
  let said = "";
  if (text && !text.startsWith(PREFIX.slice(0, text.length))) said = "A private key starts with pk_.";
  else if (/\s/.test(text)) said = "A key holds no spaces.";
  else if (text.length >= 20) said = "This can be a key. Klaviyo will say whether it is good.";
  place.textContent = said;
}

function narrow(search) {
  const list = document.getElementById(search.dataset.filters);
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const choice of list.querySelectorAll("[data-filter-text]")) {
    const text = choice.dataset.filterText.toLowerCase();
    choice.hidden = !words.every((word) => text.includes(word));
    shown += choice.hidden ? 0 : 1;
  }
  list.querySelector("[data-filter-none]").hidden = shown > 0;
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-key-check]")) sayKey(event.target);
  if (event.target.matches("[data-filters]")) narrow(event.target);
});
