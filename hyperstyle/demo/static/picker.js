// The photo with a frame around every face; a click chooses one. Gradio hands in `element`, `props`, `trigger`, `watch`.
const stage = element.querySelector(".hs-photo");
const note = element.querySelector("p");
note.id = "hs-picker-note";
const warnings = element.querySelector("ul");

function mark(edited) {
  stage.querySelectorAll("button").forEach((button, i) => {
    const face = props.value.faces[i];
    button.dataset.edited = String(edited.includes(i));
    button.title = say(edited.includes(i) ? face.edited : face.name);
    button.setAttribute("aria-label", button.title);
  });
}

function show() {
  const value = props.value;
  element.hidden = !value;
  if (!value) return;
  const picture = stage.querySelector("img");
  if (picture.src !== value.source) picture.src = value.source;
  stage.querySelectorAll("button").forEach((button) => button.remove());
  value.faces.forEach((face, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-describedby", note.id);
    button.setAttribute("aria-pressed", String(i === value.chosen));
    for (const side of ["left", "top", "width", "height"]) button.style[side] = 100 * face[side] + "%";
    button.addEventListener("click", () => {
      if (i === value.chosen) return;
      trigger("select", { index: i });
    });
    stage.append(button);
  });
  mark(value.edited);
  note.textContent = say(value.note);
  warnings.replaceChildren(...value.warnings.map((text) => {
    const item = document.createElement("li");
    item.textContent = say(text);
    return item;
  }));
}

show();
watch("value", show);
// Which faces are edited comes with every settled state, by way of the viewer.
document.addEventListener("hs-past", ({ detail }) => {
  if (props.value && detail.edited_faces) mark(detail.edited_faces);
});
