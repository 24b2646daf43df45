// Copy buttons: the word on the button says what happened.

import { toast } from "./menus.js";

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without https there is no clipboard API; a selected field still copies.
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("this browser does not allow copying");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await copy(button.dataset.copy);
  } catch (error) {
    toast(`Could not copy: ${error.message}. Select the text instead.`);
    return;
  }
  const word = button.querySelector("[data-copy-word]");
  const before = word.textContent;
  if (button.dataset.copied !== undefined) return;
  button.dataset.copied = "";
  word.textContent = "Copied";
  setTimeout(() => {
    delete button.dataset.copied;
    word.textContent = before;
  }, 2000);
});
