package expression

// tokenKind is what a token is.
type tokenKind int

const (
	end         tokenKind = iota
	word                  // a name, keyword or function
	placeholder           // #name or :value
	digits                // a list index
	symbol                // an operator or punctuation
	unknown               // what no expression may contain
)

// token is a piece of an expression.
type token struct {
	kind     tokenKind
	text     string
	from, to int // its place in the source
}

// lex cuts an expression into tokens; the last is always of kind end.
func lex(source string) []token {
	var tokens []token
	for at := 0; at < len(source); {
		from, kind := at, symbol
		switch c := source[at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			at++
			continue
		case isLetter(c):
			kind, at = word, skip(source, at, isLetterOrDigit)
		case c == '#' || c == ':':
			kind, at = placeholder, skip(source, at+1, isLetterOrDigit)
			if at == from+1 {
				kind = unknown
			}
		case isDigit(c):
			kind, at = digits, skip(source, at, isDigit)
		case c == '<' && at+1 < len(source) && (source[at+1] == '=' || source[at+1] == '>'):
			at += 2
		case c == '>' && at+1 < len(source) && source[at+1] == '=':
			at += 2
		case c == '=' || c == '<' || c == '>' || c == '(' || c == ')' || c == '[' || c == ']' ||
			c == ',' || c == '.' || c == '+' || c == '-':
			at++
		default:
			kind, at = unknown, at+1
		}
		tokens = append(tokens, token{kind: kind, text: source[from:at], from: from, to: at})
	}
	return append(tokens, token{kind: end, text: "<EOF>", from: len(source), to: len(source)})
}

func skip(source string, at int, class func(byte) bool) int {
	for at < len(source) && class(source[at]) {
		at++
	}
	return at
}

func isLetter(c byte) bool        { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool         { return c >= '0' && c <= '9' }
func isLetterOrDigit(c byte) bool { return isLetter(c) || isDigit(c) }
