// A row of example photos; a click chooses one. Gradio hands in `element`, `props` and `trigger`.
props.value.forEach((example, i) => {
  const button = document.createElement("button");
  button.type = "button";
  button.title = words.EXAMPLE_INFO.replace("{name}", example.label);
  const picture = document.createElement("img");
  picture.src = example.source;
  picture.alt = example.label;
  button.append(picture);
  button.addEventListener("click", () => trigger("select", { index: i }));
  element.querySelector(".hs-thumbnails").append(button);
});
