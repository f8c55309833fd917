package dynamodb

import (
	"fmt"
	"strconv"
)

// parseProjection parses a list of paths.
func parseProjection(text string) *expression {
	p, err := newParser(text)
	if err != nil {
		return &expression{err: err}
	}
	x := &expression{}
	for err == nil {
		var n *node
		if n, err = p.pathOperand(); err != nil {
			break
		}
		x.paths = append(x.paths, n.path)
		if !p.accept(",") {
			if p.peek().kind != tokenEnd {
				err = p.unexpected()
			}
			break
		}
	}
	return p.finish(x, err)
}

func (p *parser) pathOperand() (*node, error) {
	first, err := p.name()
	if err != nil {
		return nil, err
	}
	n := &node{op: opPath, path: []step{first}}
	for {
		var s step
		switch {
		case p.accept("."):
			s, err = p.name()
		case p.accept("["):
			s, err = p.index()
		default:
			return n, nil
		}
		if err != nil {
			return nil, err
		}
		n.path = append(n.path, s)
	}
}

func (p *parser) name() (step, error) {
	t := p.peek()
	switch t.kind {
	case tokenName:
		if isReserved(t.text) {
			p.flaw(flawReserved, "Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
	case tokenNameRef:
		p.refer(t.text)
	default:
		return step{}, p.unexpected()
	}
	p.at++
	return step{name: t.text, ref: t.kind == tokenNameRef}, nil
}

func (p *parser) index() (step, error) {
	t := p.peek()
	if t.kind != tokenIndex {
		return step{}, p.unexpected()
	}
	i, err := strconv.Atoi(t.text)
	if err != nil {
		return step{}, fmt.Errorf("List index is not within the allowable range; index: [%s]", t.text)
	}
	p.at++
	return step{index: i, isIndex: true}, p.expect("]")
}
