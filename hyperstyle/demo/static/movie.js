// The movie that was made: status line, player and download. Gradio hands in `element`, `props` and `watch`; each value
// carries only what is new. The form hears from here whether a movie is being made, and how large it would be.
const status = element.querySelector(".hs-movie-status");
const stage = element.querySelector(".hs-movie-stage");
const download = element.querySelector("#hs-movie-download");

stage.querySelector("span").textContent = words.MOVIE_EMPTY;
status.textContent = words.MOVIE_READY;
download.textContent = words.MOVIE_DOWNLOAD;

function player(address, name) {
  const made = document.createElement(name.endsWith(".mp4") ? "video" : "img");
  if (made.tagName === "VIDEO") {
    Object.assign(made, { controls: true, autoplay: true, loop: true, muted: true, playsInline: true });
    made.setAttribute("aria-label", words.MOVIE_NAME);
  } else made.alt = words.MOVIE_NAME;
  made.src = address;
  return made;
}

function show() {
  const { status: news, plan: sentence, file, name, busy } = props.value ?? {};
  if (news) {
    status.dataset.kind = news.kind;
    status.textContent = say(news.text);
    document.dispatchEvent(new CustomEvent("hs-movie-busy", { detail: busy }));
  }
  if (sentence != null) document.dispatchEvent(new CustomEvent("hs-movie-plan", { detail: say(sentence) }));
  if (file?.url) {
    stage.replaceChildren(player(file.url, name));
    download.href = file.url;
    download.download = name;
    download.hidden = false;
  }
}

watch("value", show);
