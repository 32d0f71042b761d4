// The whole photo with its edited faces. Gradio hands in `element`, `props` and `watch`.
const photo = element.querySelector("img");
photo.alt = words.WHOLE_ALT;
photo.hidden = true; // until there is one

function show() {
  const value = props.value;
  photo.hidden = !value?.source;
  if (photo.hidden) photo.removeAttribute("src");
  else photo.src = value.source;
  element.querySelector("p").textContent = (value?.lines ?? []).map(say).join(" ");
  element.querySelector("ul").replaceChildren(...(value?.warnings ?? []).map((text) => {
    const item = document.createElement("li");
    item.textContent = say(text);
    return item;
  }));
}

show();
watch("value", show);
