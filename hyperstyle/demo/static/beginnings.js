// Faces without a photo, and mixes of two. Gradio hands in `element`, `props` and `trigger`; the value is what
// `beginnings.read_settings` reads.
const form = element.querySelector(".hs-panel");
const settings = { seed: 0, truncation: props.start.truncation, share: props.start.share, layers: [] };

function act(action) {
  props.value = structuredClone(settings);
  trigger("select", { action });
}

const seed = make("input", { type: "number", id: "hs-seed", min: 0, max: props.most_seed, step: 1, "aria-describedby": "hs-seed-info", onchange: () => {
  settings.seed = Math.min(props.most_seed, Math.max(0, Math.round(Number(seed.value) || 0)));
  seed.value = settings.seed;
  act("random");
} });

// Another seed, and the face it stands for: one that was compared with the people who were trained on, if any was.
function draw(action) {
  do {
    settings.seed = Math.floor(Math.random() * props.seeds.below);
  } while (props.seeds.without.includes(settings.seed));
  seed.value = settings.seed;
  act(action);
}

const truncation = makeSlider({
  ...props.truncation, id: "hs-truncation", label: words.RANDOM_TRUNCATION, info: words.RANDOM_TRUNCATION_INFO,
  rest: props.start.truncation, words,
  moved: (value) => (settings.truncation = value),
  rested: () => seed.value !== "" && act("random"),
});
truncation.set(props.start.truncation);
const share = makeSlider({
  minimum: 0, maximum: 1, step: 0.05, id: "hs-mix-share", label: words.MIX_SHARE, info: words.MIX_SHARE_INFO,
  rest: props.start.share, words,
  moved: (value) => (settings.share = value),
  rested: () => act("remix"),
});
share.set(props.start.share);
const layers = props.groups.map(([name, label]) => {
  const box = make("input", { type: "checkbox", value: name, onchange: () => {
    settings.layers = box.checked ? [...settings.layers, name] : settings.layers.filter((other) => other !== name);
    share.row.hidden = settings.layers.length > 0;
    act("remix");
  } });
  return make("label", {}, box, say(label));
});

function group(id, title, ...content) {
  return make("details", { class: "hs-group", id }, make("summary", { class: "label-wrap" }, make("span", {}, title)), ...content);
}

form.append(
  group(
    "hs-random", words.BEGIN_RANDOM, make("p", { class: "hs-note" }, words.RANDOM_INFO),
    make("button", { type: "button", class: "hs-button", id: "hs-random-new", title: words.RANDOM_NEW_INFO, onclick: () => draw("random") }, words.RANDOM_NEW),
    make(
      "div", { class: "hs-field" }, make("label", { for: seed.id }, words.RANDOM_SEED),
      make("p", { class: "info-text", id: "hs-seed-info" }, words.RANDOM_SEED_INFO), seed,
    ),
    truncation.row,
  ),
  group(
    "hs-mix", words.BEGIN_MIX, make("p", { class: "hs-note" }, words.MIX_INFO),
    make(
      "div", { class: "hs-tools" },
      make("button", { type: "button", class: "hs-button", id: "hs-mix-random", title: words.MIX_RANDOM_INFO, onclick: () => draw("mix") }, words.MIX_RANDOM),
      make("button", { type: "button", class: "hs-button", id: "hs-mix-photo", title: words.MIX_PHOTO_INFO, onclick: () => document.querySelector("button#hs-mix-upload, #hs-mix-upload button").click() }, words.MIX_PHOTO),
    ),
    share.row,
    make(
      "fieldset", { class: "hs-choice", "aria-describedby": "hs-mix-layers-info" }, make("legend", {}, words.MIX_LAYERS),
      make("p", { class: "info-text", id: "hs-mix-layers-info" }, words.MIX_LAYERS_INFO), make("div", {}, ...layers),
    ),
  ),
);
props.value = structuredClone(settings);
