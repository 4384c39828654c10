// Package sts stands in for a vendor's log-in.
//
// The peers that the tests compare with (apko, melange) call it only for that vendor's own
// repository, which no test uses, and its module is not on every proxy. Every exchange fails.
package sts

import (
	"context"
	"errors"
)

// RawToken is what an exchange would return.
type RawToken struct {
	AccessToken  string
	RefreshToken string
}

// Exchanger exchanges a token for another.
type Exchanger interface {
	Exchange(ctx context.Context, token string, opts ...ExchangerOption) (RawToken, error)
}

// ExchangerOption changes nothing.
type ExchangerOption func()

type exchanger struct{}

func (exchanger) Exchange(context.Context, string, ...ExchangerOption) (RawToken, error) {
	return RawToken{}, errors.New("log-in to a vendor's repository is not built in")
}

// New returns an exchanger that always fails.
func New(string, string, ...ExchangerOption) Exchanger { return exchanger{} }

// WithIdentity changes nothing.
func WithIdentity(string) ExchangerOption { return func() {} }

// WithUserAgent changes nothing.
func WithUserAgent(string) ExchangerOption { return func() {} }
