// The slider shows its number, and moving it chooses the mode that it belongs to.

for (const slider of document.querySelectorAll("input[type=range][data-shows]")) {
  const shown = document.getElementById(slider.dataset.shows);
  slider.addEventListener("input", () => {
    shown.textContent = `${slider.value} %`;
    const mode = slider.form.querySelector("input[name=mode][value=percentage]");
    if (mode) mode.checked = true;
  });
}
