// Many systems know no type for the photos of phones, and Gradio's upload of pictures takes only files whose type says
// picture: they get one, by their names, on their way to it. The server goes by what is in them.
const PHONE_PHOTOS = { ".heic": "image/heic", ".heif": "image/heif", ".hif": "image/heif", ".avif": "image/avif" };
const PICTURES = "image/*";

function withTypes(files) {
  const held = new DataTransfer();
  for (const file of files) {
    const type = PHONE_PHOTOS[file.name.toLowerCase().match(/\.[a-z]+$/)?.[0]];
    held.items.add(type && !file.type.startsWith("image/") ? new File([file], file.name, { type }) : file);
  }
  return held.files;
}
const lackTypes = (files) => [...withTypes(files)].some((file, i) => file.type !== files[i].type);
const forPictures = (input) => input?.matches?.("input[type=file]") && input.accept.startsWith(PICTURES);

document.addEventListener("click", (event) => {
  if (forPictures(event.target)) event.target.accept = [PICTURES, ...Object.keys(PHONE_PHOTOS)].join(",");
}, true);
document.addEventListener("change", (event) => {
  if (forPictures(event.target) && lackTypes(event.target.files)) event.target.files = withTypes(event.target.files);
}, true);
document.addEventListener("drop", (event) => {
  const input = event.target.closest?.("#hs-upload")?.querySelector("input[type=file]");
  if (!forPictures(input) || !lackTypes(event.dataTransfer.files)) return;
  event.preventDefault();
  event.stopPropagation();
  input.files = withTypes(event.dataTransfer.files);
  event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
  input.dispatchEvent(new Event("change", { bubbles: true }));
}, true);
