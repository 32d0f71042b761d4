// What came of a comparison: a sentence and a card for each method. Gradio hands in `element`, `props` and `watch`.
const sentence = element.querySelector("#hs-compare-status");
const grid = element.querySelector(".hs-cards");

function make(tag, text) {
  const made = document.createElement(tag);
  if (text != null) made.textContent = say(text);
  return made;
}

function card({ name, title, state, picture, captions, about }) {
  const made = make("figure");
  Object.assign(made.dataset, { state, method: name });
  const shown = picture ? Object.assign(make("img"), { src: picture, alt: say(title) }) : make("div");
  if (!picture) shown.className = "hs-card-blank";
  const caption = make("figcaption");
  const lines = captions.length ? captions : [props.states[state]].filter(Boolean);
  caption.append(make("strong", title), ...lines.map((line) => make("span", line)));
  if (about) caption.append(make("p", about));
  made.append(shown, caption);
  return made;
}

function show() {
  sentence.textContent = say(props.value?.sentence ?? words.COMPARE_READY);
  grid.replaceChildren(...(props.value?.cards ?? []).map(card));
}

show();
watch("value", show);
