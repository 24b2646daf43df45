// Dialogs open and close; menus close when one looks elsewhere.
// `data-opens` names the dialog to open, `data-closes` closes the one around it.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close();
  if (event.target instanceof HTMLDialogElement) event.target.close(); // a click on the backdrop
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target) || opener) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A sentence in the corner that leaves by itself. The text is always text, never markup.
export function toast(text, seconds = 6) {
  const corner = document.getElementById("toasts");
  if (!corner) return;
  const notice = document.createElement("div");
  notice.className = "f-notice";
  notice.dataset.tone = "neutral";
  const sentence = document.createElement("p");
  sentence.textContent = text;
  notice.append(sentence);
  corner.append(notice);
  setTimeout(() => notice.remove(), seconds * 1000);
}

// An answer of 4xx or 5xx is not swapped in (see skeleton.html): the page stays as it was and says so. An element that wants such
// an answer, a form with its errors for example, says hx-status:422="swap:outerMorph".
document.addEventListener("htmx:response:error", (event) => {
  const { response, sourceElement } = event.detail.ctx;
  if (sourceElement?.hasAttribute(`hx-status:${response.status}`)) return;
  toast(`The server answered ${response.status}. Nothing on this page was changed.`, 10);
});
document.addEventListener("htmx:error", () => toast("The server could not be reached. Nothing on this page was changed.", 10));
