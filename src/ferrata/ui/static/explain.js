// Ties a field of a call to the field of the message that it comes of: pointing at one, or focusing it, lights both.

for (const around of document.querySelectorAll("[data-tied]")) {
  const lit = new Set();

  function light(line) {
    for (const each of lit) each.removeAttribute("data-lit");
    lit.clear();
    if (!line) return;
    const source = line.dataset.tie || line.id;
    for (const each of around.querySelectorAll(".f-tied-line")) {
      if (each.id === source || each.dataset.tie === source) lit.add(each);
    }
    if (lit.size < 2) lit.clear();
    for (const each of lit) each.setAttribute("data-lit", "");
  }

  const follow = (event) => light(event.target.closest(".f-tied-line"));
  around.addEventListener("pointerover", follow);
  around.addEventListener("focusin", follow);
  around.addEventListener("pointerleave", () => light(null));
  around.addEventListener("focusout", () => light(null));
}
