"""Every English string on the page, in one place."""

from __future__ import annotations

TITLE = "HyperStyle"
TAGLINE = "Drop in a photo, see the face rebuilt, drag it somewhere else."

# Photo column
UPLOAD_LABEL = "Your photo"
UPLOAD_HINT = "Drop a photo, or click"
UPLOAD_INFO = "Opens a photo of yours and rebuilds the largest face in it"
UPLOAD_FILE_INFO = "Takes the photo from a file"
UPLOAD_CAMERA_INFO = "Takes the photo with the camera"
UPLOAD_PASTE_INFO = "Takes a picture that you have copied"
EXAMPLES_HEADING = "Or try one of these"
EXAMPLE_INFO = "Opens the example {name}"
PICKER_MANY = "{count} faces found. Click the one you want to edit; each keeps its own edits."
PICKER_ONE = "One face found."
FACE_WARNING = "Good to know: {warning}"
FACE_NAME = "Face {number}"
FACE_EDITED = "Face {number}, edited"

# Other beginnings
BEGIN_RANDOM = "Start from a made-up face"
RANDOM_INFO = "No photo needed: a face of nobody, drawn by chance."
RANDOM_SEED = "Seed"
RANDOM_SEED_INFO = "The same number gives the same face."
RANDOM_TRUNCATION = "Variety"
RANDOM_TRUNCATION_INFO = "0 is the average face, 1 anybody."
RANDOM_NEW = "Random face"
RANDOM_NEW_INFO = "Draws another face by chance and begins with it"
RANDOM_LABEL = "Seed {seed}"
RANDOM_DONE = "A made-up face, seed {seed}; there is no photo to put it back into."
FRAME_MADE_UP = "made up"
BEGIN_MIX = "Mix with another face"
MIX_INFO = "The mix becomes the face you edit, and edits and history start anew. Choose the other face:"
MIX_RANDOM = "A random face"
MIX_RANDOM_INFO = "Mixes in a face of nobody, drawn by chance"
MIX_PHOTO = "From a photo ..."
MIX_PHOTO_INFO = "Mixes in the largest face of a photo that you choose"
MIX_SHARE = "Share of the other face"
MIX_SHARE_INFO = "0 is yours, 1 the other."
MIX_LAYERS = "Or take only some traits"
MIX_LAYERS_INFO = "These come whole from the other face, the rest stays yours."
MIX_GROUPS = {"coarse": "Pose and shape", "medium": "Features", "fine": "Colours and light"}
MIX_LABEL = "Mix"
MIX_DONE = "A mix of two faces; edits start anew, and there is no photo to put it back into."
MIX_NEEDS_FACE = "Add a photo or make up a face first; then it can be mixed with another."

# Result column
VIEWER_EMPTY = "Your rebuilt face appears here"
VIEWER_NAME = "Before and after; arrow keys move the border"
TAG_REBUILT = "Rebuilt"
TAG_UNEDITED = "Unedited"
TAG_EDITED = "Edited"
FILM_INFO = "Compare the edited face with: {name}"
FILM_NAME = "From your photo to the rebuilt face; click a picture to compare with it"
FRAME_TARGET = "Photo"
FRAME_ENCODER = "Encoder"
FRAME_STEP = "Step {number}"
FRAME_TARGET_CAPTION = "cut out"
FRAME_CAPTION = "identity {identity:.2f}"
FRAME_CAPTION_L2 = "L2 {l2:.3f}"
FILM_NOTE = (
    "The encoder finds the nearest face the generator knows; each step then adjusts the generator's weights until it "
    "draws yours. Identity: 1 is the same person. L2: 0 is the same picture."
)
DOWNLOAD_FACE = "Download face"
DOWNLOAD_FACE_INFO = "Saves the edited face by itself, as a PNG"
PASTE_BACK = "Put back into photo"
PASTE_BACK_INFO = "Shows the whole photo with every edited face in it, as \u201cBack in the photo\u201d below says"
WHOLE_ALT = "The whole photo with the edited faces"
DOWNLOAD_WHOLE = "Download photo"
DOWNLOAD_WHOLE_INFO = "Saves the whole photo with the edited faces, at its full size, as a PNG"
WHOLE_UNCHANGED = "{percent}\u00a0% of the pixels are exactly those of your photo."
WHOLE_FACES = "{count} edited faces are in it."
WHOLE_NOTE = "Press the button again after more edits."
PROVENANCE = "Downloads say in their metadata that they are AI-edited, and carry the recipe of the edits."
VISIBLE_MARK = "Visible mark"
VISIBLE_MARK_INFO = "Also writes \u201cAI-edited\u201d into a corner of downloaded pictures."

# Back in the photo
WHOLE_HEADING = "Back in the photo"
KEEP_BACKGROUND_INFO = "Nothing behind the person changes; this looks best where the background is busy."
KEEP_MORE = "Keep more of the original"
SHAPE_LABEL = "What goes back"
SHAPES = {
    "crop": ("All around the face", "A soft square; its edge lies in the background, where it shows least."),
    "face": ("Face only", "From the hairline to the chin; hair and neck stay as they were."),
    "head": ("Head", "The face with its hair and ears."),
}
FEATHER_LABEL = "Feather"
FEATHER_INFO = "Width of the soft edge, as a share of the cut-out face."
COLOUR_MATCH_LABEL = "Colour match"
COLOUR_MATCH_INFO = "Gives the face the light and tint of the photo; it also undoes edits of colour."
BLEND_LABEL = "Blend"
BLENDS = {
    "alpha": ("Soft edge", "Face and photo fade into each other."),
    "poisson": ("Poisson", "Also shifts the face's colours so that they meet the photo's all around."),
}
REGION_NAMES = {
    "background": "Keep the background",
    "hair": "Hair",
    "face": "Face",
    "brows": "Brows",
    "eyes": "Eyes",
    "glasses": "Glasses",
    "nose": "Nose",
    "mouth": "Mouth",
    "clothes": "Clothes",
}

# Recipes
RECIPE_HEADING = "Recipe"
RECIPE_INFO = "A small file with every edit and setting, to use again here or on the command line; never the photo."
RECIPE_FACE = "With the face in it"
RECIPE_FACE_INFO = (
    "Then recipes and downloaded pictures also hold the rebuilt face, unedited, and bring this very picture back "
    "without the photo. Leave it off for a look that suits any face."
)
RECIPE_SAVE = "Save recipe"
RECIPE_LOAD = "Load recipe"
RECIPE_LOAD_INFO = "Takes a saved recipe, or a PNG downloaded from this page"
RECIPE_SAVED = "Recipe saved; it suits any face."
RECIPE_SAVED_FACE = "Recipe saved with the face in it; keep it as you would keep the photo."
RECIPE_LOADED = "The recipe is on this face now; undo takes it back."
RECIPE_FACE_LOADED = "The recipe brought its face along; edit it like any other."
RECIPE_NEEDS_FACE = "This recipe holds edits only; upload a photo first, then load it again."
RECIPE_PROMPTS = "This recipe has {count} prompts, and the page has room for {most}; use it on the command line."
RECIPE_UNKNOWN_EDIT = "There is no edit '{name}' here, which this recipe uses; {hint}"
FRAME_RECIPE = "Recipe"
FRAME_RECIPE_CAPTION = "its face, unedited"
NO_PHOTO_TO_REFINE = "This face has no photo here (made up, or from a recipe), so it cannot be refined again."
FACE_WITHOUT_PHOTO = "This face has no photo here to go back into (made up, or from a recipe)."
LINK_COPY = "Copy link"
LINK_COPY_INFO = "A link to this page that carries the edits, without the face"
LINK_NAME = "Link with the edits"
LINK_READY = "The link carries the edits, never the face."
LINK_COPIED = "Copied."
LINK_WAITS = "The edits of the link are set; add a photo and they apply to its face."
LINK_APPLIED = "The edits of the link are on this face now; undo takes them back."

# What is known about the picture
LIKENESS = "Likeness to the photo {likeness:.2f}"
LIKENESS_SAME = "Likeness to the photo {likeness:.2f}: the same person"
LIKENESS_ALIKE = "Likeness to the photo {likeness:.2f}: alike, but others could be meant"
LIKENESS_OTHER = "Likeness to the photo {likeness:.2f}: could be somebody else"
LIKENESS_LEVELS_NOTE = (
    "Likeness is how similar a network that was trained on photographs finds the picture and your photo, 1 at most. "
    "Of two strangers, one pair in ten reaches {alike:.2f} and one in a thousand {same:.2f}. It cannot tell who "
    "somebody is."
)
LIKENESS_NOTE = (
    "Likeness is how similar one network finds the picture and your photo, 1 at most. It is a hint at what an edit "
    "cost, and cannot tell who somebody is."
)
MOVED = "also moved: {moves}"
MOVED_NOTHING = "nothing else moved noticeably"
MOVED_NOTE = "What a second network sees change beyond what you asked for, as a share of what is possible."
MOVED_YEARS = "{moved:+.0f} years"
MOVED_DEGREES = "{moved:+.0f}\u00b0"
MOVED_SHARE = "{moved:+.0f}\u00a0%"
TRAITS = {
    # Where there is no slider of that name.
    "yaw": "Turn of the head",
    "pitch": "Nod",
    "smile": "Smile",
    "mouth_open": "Mouth open",
    "eyes_open": "Eyes open",
    "brow_raise": "Raised brows",
    "teeth": "Teeth",
    "age": "Age",
    "femininity": "Femininity",
    "skin_tone": "Skin tone",
    "face_width": "Face width",
    "hair_length": "Hair length",
    "hair_shade": "Hair colour",
    "hair_grey": "Grey hair",
    "baldness": "Baldness",
    "beard": "Beard",
    "moustache": "Moustache",
    "glasses": "Glasses",
    "earrings": "Earrings",
    "headwear": "Headwear",
    "light_x": "Light from the side",
    "skin_warmth": "Skin warmth",
    "eye_colour": "Eye colour",
    "hair_red": "Red in the hair",
    "hair_parting": "Parting",
    "hairline": "Receding hairline",
    "jaw": "Jaw",
    "gaze_y": "Gaze, up or down",
    "light_y": "Light from above",
    "light_warmth": "Warm light",
    "background": "Background colour",
    "background_light": "Background brightness",
    "clothes": "Clothes colour",
    "clothes_light": "Clothes brightness",
}

# History
HISTORY = "History"
HISTORY_NAME = "History: choose a state to go back to it"
HISTORY_GO = "Go back to \u201c{label}\u201d"
HISTORY_START = "Rebuilt"
HISTORY_EDIT = "{label} {value:+g}"
HISTORY_SEVERAL = "{count} changes"
HISTORY_WITHOUT = "without {words}"
HISTORY_OFFSET = "Offsets {value:g}"
HISTORY_DETAIL = "Detail {value:.0%}"
HISTORY_STEPS = "{count} steps"
HISTORY_RESET = "Reset"
HISTORY_SURPRISE = "Surprise"
HISTORY_RECIPE = "Recipe"
HISTORY_LINK = "From the link"
HISTORY_OTHER = "Another state"
FACE_AGAIN = "Back at face {number}, as you left it."
RESTORED = "Back at \u201c{label}\u201d."
STATE_GONE = "That state is no longer remembered; choose one of those on show."
COMPARE_STATES = "Compare two"
COMPARE_STATES_INFO = "Then choose two states; the border slides between them. Any edit ends it."
COMPARING_STATES = "Two states side by side; move the border. Any edit goes on from where you were."
PICK_FIRST = "Choose the state for the left side."
PICK_SECOND = "Now the one for the right side."
VERSION_OPEN = "Keep this ..."
VERSION_HINT = "Name this version"
VERSION_KEEP = "Keep"
VERSION_KEEP_INFO = "Keeps the state on show under this name while the page is open"
VERSION_KEPT = "Kept as \u201c{name}\u201d."
VERSION_NAMELESS = "Give the version a name first."
VERSIONS_FULL = "{count} versions are kept already; remove one first."
VERSION_DROP = "Forget the version {name}"
VERSIONS_NAME = "Kept versions"

# Controls column
CONTROLS_HEADING = "Edit"
UNDO = "Undo (Ctrl+Z)"
REDO = "Redo (Ctrl+Shift+Z)"
SURPRISE = "Surprise me"
SURPRISE_INFO = "Sets a few sliders at random, inside the range that was tested; undo brings yours back"
RESET_ALL = "Reset all"
RESET_ALL_INFO = "Puts every edit back to where it started"
RESET_ONE = "Reset {name}"
EXACT_VALUE = "{name}, exact value"
IN_USE = "In use"
IN_USE_ON = "{name} on"
IN_USE_ON_INFO = "Switches {name} off and on again; its strength is kept"
IN_USE_REMOVE = "Remove {name}"
IN_USE_SHOW = "Go to {name}"
KEEP_OTHERS = "keeps others"
KEEP_OTHERS_INFO = "{name} leaves alone what it would drag along: {others}. Press to let these move too."
SEARCH = "Find an edit"
SEARCH_INFO = "Leaves only the sliders that match; Escape shows all of them again"
SEARCH_NONE = "No slider is called that; try it in words below."
NO_EDITS = "This domain comes without sliders; the words and the rebuild settings below still work."
WORDS_HEADING = "Words"
WORDS_INFO = "Type what you want to see, press Enter, then drag the strength; below 0 it does the opposite."
WORDS_MISSING = "This domain comes without a text model, so it cannot be edited with words."
PROMPT_LABEL = "Prompt {number}"
PROMPT_HINT = "a face with ..."
PROMPT_ON = "Prompt {number} on"
PROMPT_ON_INFO = "Switches these words off and on again; their strength is kept"
CHIP_INFO = "Adds these words, at a strength that was tested"
PROMPT_STRENGTH = "Strength"
PROMPT_TESTED = "Tested from {low} to {high}."
PROMPT_UNTESTED = "Below 0 it does the opposite."
PROMPT_MORE = "Steer these words"
PROMPT_NEUTRAL = "Compared with"
PROMPT_NEUTRAL_INFO = "The prompt changes what sets it apart from this."
PROMPT_NEUTRAL_HINT = "a face"
PROMPT_DISENTANGLEMENT = "Disentanglement"
PROMPT_DISENTANGLEMENT_INFO = "Higher changes fewer things at once; empty is what suits the words best."
PROMPT_AUTOMATIC = "auto"
PROMPT_ADD = "Add another prompt"
PROMPT_ADD_INFO = "Another row for words; all rows add up"
PROMPT_REMOVE = "Remove prompt {number}"
SHEET = "Contact sheet"
SHEET_INFO = "Small pictures of several strengths and disentanglements; choose one to take it over"
SHEET_BUSY = "Drawing the contact sheet ..."
SHEET_READY = "Choose a picture of the contact sheet to take it over."
SHEET_NAME = "Contact sheet: strength to the right, disentanglement downwards; arrow keys move"
SHEET_CELL = "strength {strength}, disentanglement {disentanglement}"
SHEET_NEEDS_WORDS = "Type a prompt first; the contact sheet shows it at several strengths."
WORDS_IGNORED = "These words are unknown here and were left out: {words}."
STYLE_HEADING = "Style"
STYLE_INFO = "Draws the same face by another hand."
STYLES = {"": "Plain", "line": "Line drawing", "clay": "Clay"}
REBUILD_HEADING = "Rebuild"
DETAIL_LABEL = "Detail from the photo"
DETAIL_INFO = "How much of your photo an edit keeps: 1 is the photo itself, changed; 0 what the generator draws."
OWN_LABEL = "Hold: without the photo's detail"
OWN_INFO = "Shows what the generator draws by itself while you hold the button, or the key G."
OFFSET_LABEL = "Offset strength"
OFFSET_INFO = "How far the generator's weights move towards your photo: 0 is the encoder's face, 1 the refined one."
STEPS_LABEL = "Refinement steps"
STEPS_INFO = "More steps bring the face closer to the photo and take a little longer."
GROUPS = {
    "expression": "Expression",
    "pose": "Pose",
    "identity": "Face",
    "hair": "Hair",
    "accessories": "Accessories",
    "scene": "Scene",
}
UNIT_MEASURED = "{description} 1\u00a0≈\u00a0{effect}\u00a0{unit}."
UNIT_FRACTION = "{description} 1\u00a0≈\u00a0{effect:.0%}."


# Status line
READY = "Add a photo to begin."
LOOKING = "Looking for faces ..."
REBUILDING = "Rebuilding the face ..."
REBUILT = "Rebuilt in {seconds:.1f} s. Drag a slider, or type what you want to see."
SETTLED = "Up to date."
NO_FACE_YET = "Add a photo first; after a long pause the page lets the last one go."
PASTED = "The edited face is back in the photo."
PASTED_ALL = "{count} edited faces are back in the photo."
UNEXPECTED = "Sorry, that did not work. Nothing was lost; please try again, or try another photo."

# Compare tab
TAB_EDIT = "Edit"
TAB_COMPARE = "Compare"
COMPARE_INFO = (
    "The face of the Edit tab, rebuilt by several methods side by side; then one edit on all of them. Look for "
    "likeness before the edit, and for who is still the same person after it."
)
COMPARE_METHODS = "Methods"
COMPARE_METHODS_INFO = "Slow ones calculate for this one face, for up to a few minutes; you can watch."
COMPARE_SLOW = "{label} (slow)"
COMPARE_BUTTON = "Compare"
COMPARE_BUTTON_INFO = "Rebuilds the face of the Edit tab by every method that is ticked."
COMPARE_EDIT = "Edit"
COMPARE_EDIT_INFO = "What the slider changes in every picture."
COMPARE_STRENGTH = "Strength, %"
COMPARE_STRENGTH_INFO = "Of the range in which the edit stays believable."
COMPARE_READY = "Choose methods and press Compare."
COMPARING = "{method} is at work ..."
COMPARED = "Done. Move the strength to edit all of them alike."
COMPARED_EDITED = "Identity now compares the edited faces with the photo."
COMPARE_SECONDS = "{seconds:.1f} s"
NO_FACE_TO_COMPARE = "Add a photo on the Edit tab first, then compare."
NO_METHODS = "Choose at least one method."
CARD_STATES = {"waiting": "waiting", "working": "at work ..."}

NO_PHOTO_TO_COMPARE = "This face has no photo to compare with; choose one on the Edit tab."

# Animate tab
TAB_ANIMATE = "Animate"
MOVIE_INFO = "A movie of the face on the Edit tab. Everything else stays as it is there."
MOVIE_WHAT = "What moves"
MOVIE_WHAT_INFO = "One edit from strength to strength, or everything between two states of the history."
MOVIE_SWEEP = "One edit"
MOVIE_MORPH = "From one state to another"
MOVIE_EDIT = "Which edit"
MOVIE_EDIT_INFO = "Goes from the first strength below to the second."
MOVIE_WORDS = "Words"
MOVIE_WORDS_INFO = "What grows from the first strength to the second"
MOVIE_FROM = "From"
MOVIE_FROM_INFO = "Strength in the first frame."
MOVIE_TO = "To"
MOVIE_TO_INFO = "Strength in the last frame, or where it turns back."
MOVIE_FIRST = "From this state"
MOVIE_FIRST_INFO = "What the first frame shows."
MOVIE_LAST = "To this one"
MOVIE_LAST_INFO = "What the last frame shows, or the one where it turns back."
MOVIE_NO_STATES = "Edit the face first: each change becomes a state to choose here."
MOVIE_SECONDS = "Seconds"
MOVIE_SECONDS_INFO = "How long the movie is."
MOVIE_SPEED = "Frames per second"
MOVIE_SPEED_INFO = "More is smoother and larger."
MOVIE_FORMAT = "Format"
MOVIE_FORMAT_INFO = "MP4 is the smallest."
MOVIE_WHERE = "Show"
MOVIE_WHERE_INFO = "The whole photo is at most 1280 pixels wide or high."
MOVIE_CROP = "The face"
MOVIE_PHOTO = "The whole photo"
MOVIE_BACK = "There and back again"
MOVIE_BACK_INFO = "Ends where it began, so that it repeats without a jump."
MOVIE_MAKE = "Make the movie"
MOVIE_MAKE_INFO = "Draws every frame; you can stop it at any time"
MOVIE_STOP = "Stop"
MOVIE_STOP_INFO = "Ends the work at once; nothing is kept of this movie"
MOVIE_EMPTY = "Your movie appears here"
MOVIE_NAME = "The movie"
MOVIE_READY = "Choose what moves, then make the movie."
MOVIE_DOWNLOAD = "Download movie"
MOVIE_DOWNLOAD_INFO = "Saves the movie, whose metadata say that it is AI-edited"
MOVIE_PLAN = "{frames} frames, {width} x {height} px, about {size}."
MOVIE_STARTING = "The movie is being prepared ..."
MOVIE_FRAME = "Frame {number} of {frames} ..."
MOVIE_DONE = "{frames} frames in {seconds} s, {width} x {height} px, {size}."
MOVIE_STOPPED = "Stopped; nothing was kept."
MOVIE_NEEDS_STATES = "Choose the two states between which the movie goes."
NO_FACE_TO_ANIMATE = "Add a photo on the Edit tab first, then make a movie."

# Footer
PRIVACY = (
    "Your photo stays in this computer's memory while the page is open and is forgotten when you close it; temporary "
    "files are deleted within ten minutes. Nothing is recorded or sent anywhere else."
)
PRIVACY_HOSTED = (
    "Your photo is sent to the server that runs this page, stays in its memory while the page is open and is forgotten "
    "when you close it; temporary files are deleted within ten minutes. Nothing is recorded or passed on."
)
WEIGHTS = "Weights: {title} ({name}), {resolution} px, on {device}. {description} Licence: {licence}."
LICENCE_UNKNOWN = "not stated"

# Endpoints
API_ALIGN = "Cut a face out of a photo. Returns the aligned crop (PNG) and a report on every face found."
API_INVERT = (
    "Rebuild a face. Returns the reconstruction (PNG), what was measured after the encoder and after each refinement "
    "step, and the small inversion (safetensors) that `edit` accepts in place of the photo."
)
API_EDIT = (
    "Edit a face. Takes a photo or an inversion from `invert`; `edits` is {{name: strength}}, `prompts` a list of "
    '{{"prompt": words, "strength": 1.0}}, `recipe` a saved recipe in place of both. Returns the edited face, or with '
    "`paste_back` the whole photo (PNG, with metadata that says so). Edits with their ranges: {names}."
)
API_NO_EDITS = "none in this domain, only prompts"
API_COMPARE = (
    "Rebuild one face by several methods. Returns for each its likeness to the photo (identity, 1 is the same; l2, 0 "
    "is the same) and the seconds it took, and the pictures in the same order (PNG). Methods: {names}."
)
API_ANIMATE = (
    "Make a movie of a face while one edit goes from `start` to `stop`. Takes a photo or an inversion from `invert`. "
    "Returns an MP4, GIF or WebP file with metadata that says that it is AI-edited. Edits with their ranges: {names}."
)
API_RECIPE = "The `recipe`"
API_TWO_LOOKS = "A recipe brings its own edits; leave out `edits`, `prompts`, `offset_strength` and `detail`."
API_BAD_METHODS = '`methods` must be a list of names such as ["encoder", "hyperstyle"].'
API_NOTHING_GIVEN = "Give a photo, or the inversion file that `invert` returned."
API_PASTE_NEEDS_PHOTO = "Pasting back needs the photo; send it along, without an inversion file."
API_BAD_FACE = "`face` is 'largest' or a number counted from 0, not '{face}'."
API_BAD_EDITS = (
    '`edits` must be an object that gives a number for each edit name, such as {{"smile": 1.5}}, not {what}.'
)
API_BAD_PROMPTS = (
    '`prompts` must be a list such as [{"prompt": "a face with a beard", "strength": 1.0}]; check every entry.'
)
API_NO_ENDPOINT = "There is no endpoint '/{name}'; {near}"
API_NO_ARGUMENT = "`/{name}` takes no argument `{word}`; {near}"
API_TOO_FEW = (
    "`/{name}` takes {count} values in this order: {names}; {given} were given. /call/v2/{name} takes them by name."
)
API_BAD_NUMBER = "`{name}` must be a number such as 1.5, not {what}."
API_BAD_FILE = (
    "`{name}` must be an uploaded file, as `handle_file` or an upload to /gradio_api/upload makes it, not {what}."
)
API_UNREADABLE = (
    "A file that was named could not be read; upload it to /gradio_api/upload first and give the path that is returned."
)

# Serving
SERVED = "HyperStyle is at {address} (Ctrl+C ends it)"
BAD_ROOT_PATH = (
    "--root-path is where a proxy shows the page, such as /faces or https://example.org/faces, not '{given}'."
)
MCP_MISSING = (
    'Serving tools for MCP needs the package `mcp`, version 1, which is not installed; run `pip install "mcp<2"` or '
    "leave out --mcp."
)
MCP_FAILED = 'The tools for MCP could not be served ({reason}); install another version with `pip install "mcp<2"`.'
MCP_NO_FILE = "There is no such file here; results and uploads are deleted after ten minutes, so make it again."
