"""What programmers write short, and what a question says in full."""

_SHORT = """
addr address
addrs addresses
alloc allocate
arg argument
args arguments
arr array
attr attribute
attrs attributes
auth authentication
bin binary
bool boolean
buf buffer
bufs buffers
calc calculate
cb callback
cfg configuration
char character
chars characters
cls class
cmd command
cmds commands
cmp compare
col column
cols columns
concat concatenate
cond condition
conf configuration
config configuration
configs configurations
conn connection
coord coordinate
coords coordinates
ctx context
cur current
curr current
db database
dec decimal
decl declaration
def define
del delete
desc description
dest destination
dev device
dict dictionary
dicts dictionaries
diff difference
dir directory
dirs directories
doc document
docs documents
dst destination
dup duplicate
elem element
elems elements
env environment
eq equal
err error
errs errors
eval evaluate
exc exception
exec execute
expr expression
ext extension
fmt format
fn function
func function
funcs functions
gen generate
hex hexadecimal
id identifier
ids identifiers
idx index
img image
imgs images
impl implementation
inc increment
info information
init initialize
int integer
ints integers
iter iterate
itr iterate
lang language
len length
lib library
libs libraries
loc location
lst list
max maximum
mem memory
min minimum
mod module
msg message
msgs messages
mul multiply
num number
nums numbers
obj object
objs objects
op operation
ops operations
opt option
opts options
orig original
param parameter
params parameters
pkg package
pos position
pred predicate
prev previous
proc process
prop property
props properties
ptr pointer
pwd password
py python
rand random
re regex
ref reference
refs references
regexp regex
repr representation
req request
res result
resp response
ret return
rm remove
sep separator
seq sequence
spec specification
src source
std standard
stmt statement
str string
strs strings
sub subtract
sync synchronize
sys system
temp temporary
tmp temporary
txt text
uniq unique
util utility
utils utilities
val value
vals values
var variable
vars variables
vec vector
ver version
"""

_GLUED = """
argmax argument maximum
argmin argument minimum
argparse argument parse
argsort argument sort
asarray as array
basename base name
checksum check sum
classname class name
dataframe data frame
datatype data type
datetime date time
defaultdict default dictionary
delattr delete attribute
dirname directory name
dtype data type
endswith ends with
filename file name
filenames file names
filepath file path
fileno file number
fname file name
fpath file path
fromarray from array
fromstring from string
getattr get attribute
getcwd get current working directory
groupby group by
hasattr has attribute
hostname host name
isdir is directory
isfile is file
isinstance is instance
issubclass is subclass
iteritems iterate items
iterkeys iterate keys
itervalues iterate values
keyerror key error
lineno line number
linenum line number
linspace linear space
listdir list directory
logfile log file
lowercase lower case
makedirs make directories
mimetype mime type
mkdir make directory
mkdirs make directories
namedtuple named tuple
ndarray array
ordereddict ordered dictionary
pathname path name
plaintext plain text
readline read line
readlines read lines
rmdir remove directory
rmtree remove tree
setattr set attribute
setdefault set default
splitlines split lines
startswith starts with
stderr standard error
stdev standard deviation
stdin standard input
stdout standard output
strftime string format time
strptime string parse time
tempfile temporary file
timedelta time delta
timestamp time stamp
timezone time zone
tmpdir temporary directory
toarray to array
tolist to list
tostring to string
typename type name
uppercase upper case
urlencode url encode
urlopen url open
urlparse url parse
userinfo user information
username user name
whitespace white space
workdir work directory
writeline write line
writelines write lines
"""

FULL: dict[str, tuple[str, ...]] = {
    words[0]: tuple(words[1:])
    for words in (line.split() for line in f"{_SHORT}{_GLUED}".splitlines())
    if words
}
"""Part of an identifier, in lower case -> the words that it stands for."""

_LANGUAGES = """
golang java javascript kotlin perl php py python python2 python3 ruby scala typescript
"""

LANGUAGES = frozenset(_LANGUAGES.split())
"""Languages that a question names and no function does; not those that are words: go, rust."""
